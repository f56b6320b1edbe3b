// Reads the JSON object of a request, field by field, with errors that a person understands.
//
// As with crypto/wire.h's Reader the first mistake latches and later reads return nothing, so a
// handler reads straight down and asks error() once. An unknown field is a mistake.
#pragma once

#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "node/control_types.h"

namespace weft::node {

class Fields {
 public:
  // An empty body is an empty object.
  Fields(std::string_view body, std::initializer_list<std::string_view> known);
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  // null counts as absent.
  bool has(std::string_view name) const;
  // Absent: nullopt.
  std::optional<std::string> text(std::string_view name, std::size_t bytes_max);
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t min, std::uint64_t max);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t count_max,
                                                std::size_t bytes_max);
  // As text(), and its absence is a mistake.
  std::string required_text(std::string_view name, std::size_t bytes_max);
  // Base64 (standard alphabet, padded) of at most `bytes_max` bytes; more is `too_large`.
  std::optional<std::string> base64(std::string_view name, std::size_t bytes_max);
  // nullptr if absent.
  const nlohmann::json* raw(std::string_view name) const;

  void fail(ApiError error);
  void fail(std::string message) { fail(bad_request(std::move(message))); }
  const std::optional<ApiError>& error() const { return error_; }

 private:
  std::unique_ptr<nlohmann::json> object_;
  std::optional<ApiError> error_;
};

}  // namespace weft::node
