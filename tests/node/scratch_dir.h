// A directory of its own for a test that needs files, removed with everything in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace weft::node {

class ScratchDir {
 public:
  // Under `parent`, or /tmp if nothing can be made there.
  explicit ScratchDir(const std::string& parent = "/tmp") {
    std::string pattern = parent + "/weft-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      pattern = "/tmp/weft-test-XXXXXX";
      path_ = ::mkdtemp(pattern.data());
      return;
    }
    path_ = pattern;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }
  void write(const std::string& name, std::string_view text, unsigned mode = 0600) const {
    std::ofstream(path(name)) << text;
    std::filesystem::permissions(path(name), static_cast<std::filesystem::perms>(mode));
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name));
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  unsigned mode(const std::string& name = "") const {
    return static_cast<unsigned>(std::filesystem::status(path(name)).permissions());
  }

 private:
  std::string path_;
};

}  // namespace weft::node
