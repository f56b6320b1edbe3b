// The conversations of docs/ARCHITECTURE.md, as they happen: tests/data/*.txt holds commands and
// what the nodes then say. UPDATE_GOLDEN=1 writes them anew; the difference is reviewed like code.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/sim/transcript.h"

namespace weft::sim {
namespace {

class Conversations : public testing::TestWithParam<const char*> {};

TEST_P(Conversations, GoAsWritten) {
  const std::string path = std::string(WEFT_TEST_DATA) + "/" + GetParam() + ".txt";
  std::ostringstream written;
  written << std::ifstream(path).rdbuf();
  ASSERT_FALSE(written.str().empty()) << path;
  const std::string played = Transcript().play(written.str());
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << played;
    return;
  }
  std::istringstream expected(written.str());
  std::istringstream got(played);
  for (std::size_t number = 1;; ++number) {
    std::string a = "(end)";
    std::string b = "(end)";
    std::getline(expected, a);
    std::getline(got, b);
    ASSERT_EQ(a, b) << path << ":" << number;  // the first line that differs says most
    if (!expected && !got) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Data, Conversations,
                         testing::Values("walk_datagram", "walk_put", "client_hangs_up",
                                         "put_no_peers", "shutdown_midway", "replicas_die"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace weft::sim
