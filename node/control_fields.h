// Reads the JSON object of a request, field by field, or its query, with errors that a person understands.
//
// As with crypto/wire.h's Reader the first mistake latches and later reads return nothing, so a
// handler reads straight down and asks error() once. An unknown field is a mistake.
#pragma once

#include <expected>
#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "crypto/time.h"
#include "node/control_types.h"

namespace weft::node {

inline constexpr std::uint64_t kTimeoutMsMax = 24ULL * 3600 * 1000;

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

// Base64 of the standard alphabet with padding; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view encoded);

// The field timeout_ms, which every POST may carry.
std::optional<Duration> timeout_of(Fields& fields);

// ---- the query of a GET
// A mistake if a parameter is not among the known.
std::optional<ApiError> check_query(const ControlRequest& request,
                                    std::initializer_list<std::string_view> known);
// A number of the query; nullopt if absent. `bad` is set if it is not one, or above `max`.
std::optional<std::uint64_t> query_number(const ControlRequest& request, const std::string& name,
                                          std::uint64_t max, bool& bad);
// The parameter limit: from 1 to `max`, and `max` if it is not there.
std::expected<std::size_t, ApiError> query_limit(const ControlRequest& request, std::size_t max);

// ---- small texts
bool is_hex(std::string_view text);
std::string lower(std::string_view text);

}  // namespace weft::node
