// The test vectors of a page of docs/, parsed out of the very page.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace weft {

using Vector = std::map<std::string, std::string>;

// All blocks "```vectors NAME" ... "```" of docs/`page`, by name; each line is a field and its value.
inline std::map<std::string, Vector> vectors_of(const std::string& page) {
  std::ifstream file(std::string(WEFT_SOURCE_DIR) + "/docs/" + page);
  EXPECT_TRUE(file.good()) << page;
  std::map<std::string, Vector> out;
  Vector* current = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```vectors ")) {
      current = &out[line.substr(11)];
    } else if (line.starts_with("```")) {
      current = nullptr;
    } else if (current != nullptr) {
      std::istringstream words(line);
      std::string name, value;
      words >> name >> value;
      (*current)[name] = value;
    }
  }
  return out;
}

}  // namespace weft
