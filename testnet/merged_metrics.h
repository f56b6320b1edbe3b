// The metrics of many nodes as one text in Prometheus' format: each sample gets the label node="NAME", and each family
// its HELP and TYPE once, as the format wants it.
//
// Takes what `weft up` prints at /metrics. A line that is none of a comment, a sample or empty makes that node's text refused as a whole: half a
// node would look like one that does little. Bounded: kMergedBytesMax in all; what is more is refused. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testnet {

inline constexpr std::size_t kMergedBytesMax = 64U << 20;

class MergedMetrics {
 public:
  // `node`: letters, digits, '-' and '_'. False: refused, nothing of it is in the text.
  bool add(std::string_view node, std::string_view text);
  // A family of the testnet's own: `type` is gauge or counter; of each sample the labels without braces, maybe none, and the value.
  struct Sample {
    std::string labels;
    double value = 0;
  };
  void add_own(const std::string& name, const std::string& help, const std::string& type, const std::vector<Sample>& samples);
  std::string text() const;

 private:
  struct Family {
    std::string head;  // HELP and TYPE
    std::string samples;
  };
  std::vector<std::string> order_;
  std::map<std::string, Family, std::less<>> families_;
  std::size_t bytes_ = 0;
};

}  // namespace weft::testnet
