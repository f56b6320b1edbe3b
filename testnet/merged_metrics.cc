#include "testnet/merged_metrics.h"

#include <algorithm>
#include <cstdio>

namespace weft::testnet {
namespace {

bool name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':'; }

std::string_view name_in(std::string_view text) {
  const auto end = std::ranges::find_if_not(text, name_char);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

// "# TYPE name ..." and "# HELP name ..." -> name
std::string_view family_of(std::string_view comment) {
  for (const std::string_view word : {"# HELP ", "# TYPE "}) {
    if (comment.starts_with(word)) return name_in(comment.substr(word.size()));
  }
  return {};
}

struct Part {
  std::string head, samples;
};

}  // namespace

bool MergedMetrics::add(std::string_view node, std::string_view text) {
  const std::string label = "node=\"" + std::string(node) + "\"";
  std::vector<std::pair<std::string, Part>> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    if (line.starts_with('#')) {
      const std::string_view family = family_of(line);
      if (family.empty()) continue;
      if (parts.empty() || parts.back().first != family) parts.emplace_back(family, Part{});
      parts.back().second.head.append(line).push_back('\n');
      continue;
    }
    // name{labels} value, or name value; a histogram's samples have its name and more.
    const std::string_view name = name_in(line);
    const std::string_view rest = line.substr(name.size());
    if (name.empty() || parts.empty() || !name.starts_with(parts.back().first)) return false;
    std::string& samples = parts.back().second.samples;
    if (rest.starts_with('{') && rest.find('}') != std::string_view::npos) {
      samples.append(name).append("{").append(label).append(rest.starts_with("{}") ? "" : ",").append(rest.substr(1));
    } else if (rest.starts_with(' ')) {
      samples.append(name).append("{").append(label).append("}").append(rest);
    } else {
      return false;
    }
    samples.push_back('\n');
  }
  std::size_t more = 0;
  for (const auto& [name, part] : parts) more += part.head.size() + part.samples.size();
  if (bytes_ + more > kMergedBytesMax) return false;
  bytes_ += more;
  for (auto& [name, part] : parts) {
    const auto at = families_.find(name);
    if (at != families_.end()) {
      at->second.samples += part.samples;
      continue;
    }
    order_.push_back(name);
    families_.emplace(name, Family{.head = std::move(part.head), .samples = std::move(part.samples)});
  }
  return true;
}

void MergedMetrics::add_own(const std::string& name, const std::string& help, const std::string& type, const std::vector<Sample>& samples) {
  Family family{.head = "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n", .samples = {}};
  for (const Sample& sample : samples) {
    char value[32];
    std::snprintf(value, sizeof value, "%.17g", sample.value);
    family.samples += name + (sample.labels.empty() ? "" : "{" + sample.labels + "}") + " " + value + "\n";
  }
  order_.push_back(name);
  families_.emplace(name, std::move(family));
}

std::string MergedMetrics::text() const {
  std::string text;
  for (const std::string& name : order_) {
    const Family& family = families_.find(name)->second;
    text += family.head;
    text += family.samples;
  }
  return text;
}

}  // namespace weft::testnet
