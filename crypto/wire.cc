#include "crypto/wire.h"

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

namespace weft {
namespace {

using Token = Reader::Token;

// Collects tokens; any `false` stops the parse.
class Collector : public msgpack::null_visitor {
 public:
  void reset(std::array<Token, Reader::kMaxTokens>* tokens) {
    tokens_ = tokens;
    count_ = 0;
    depth_ = 0;
    error_.reset();
  }
  void init() {}  // msgpack calls it before a parse; reset() has done the work
  std::size_t count() const { return count_; }
  std::optional<DecodeError> error() const { return error_; }

  bool visit_nil() { return add({.kind = Token::Kind::kNil}); }
  bool visit_boolean(bool v) { return add({.kind = Token::Kind::kBool, .number = v ? 1U : 0U}); }
  bool visit_positive_integer(std::uint64_t v) {
    return add({.kind = Token::Kind::kUint, .number = v});
  }
  bool visit_negative_integer(std::int64_t) { return stop(DecodeError::kBadType); }
  bool visit_float32(float) { return stop(DecodeError::kBadType); }
  bool visit_float64(double) { return stop(DecodeError::kBadType); }
  bool visit_ext(const char*, std::uint32_t) { return stop(DecodeError::kBadType); }
  bool start_map(std::uint32_t) { return stop(DecodeError::kBadType); }
  bool visit_str(const char* v, std::uint32_t size) {
    return add({Token::Kind::kStr, size, 0, reinterpret_cast<const std::uint8_t*>(v)});
  }
  bool visit_bin(const char* v, std::uint32_t size) {
    return add({Token::Kind::kBin, size, 0, reinterpret_cast<const std::uint8_t*>(v)});
  }
  bool start_array(std::uint32_t count) {
    // More elements than tokens left cannot fit, whatever follows.
    if (count > Reader::kMaxTokens - count_) return stop(DecodeError::kTooLarge);
    if (++depth_ > Reader::kMaxDepth) return stop(DecodeError::kTooLarge);
    return add({.kind = Token::Kind::kArray, .length = count});
  }
  bool end_array() {
    --depth_;
    return true;
  }
  void parse_error(std::size_t, std::size_t) { (void)stop(DecodeError::kBadType); }
  void insufficient_bytes(std::size_t, std::size_t) { (void)stop(DecodeError::kTruncated); }

 private:
  bool add(const Token& token) {
    if (count_ == Reader::kMaxTokens) return stop(DecodeError::kTooLarge);
    (*tokens_)[count_++] = token;
    return true;
  }
  bool stop(DecodeError error) {
    if (!error_) error_ = error;
    return false;
  }

  std::array<Token, Reader::kMaxTokens>* tokens_ = nullptr;
  std::size_t count_ = 0;
  std::size_t depth_ = 0;
  std::optional<DecodeError> error_;
};

// msgpack's parse context owns a small heap stack. One context a thread is kept and re-initialised,
// so that only the first Reader of a thread allocates; no content survives from one to the next.
struct Parser {
  Collector collector;
  msgpack::v2::detail::parse_helper<Collector> helper{collector};
};

Parser& parser() {
  thread_local Parser instance;
  return instance;
}

}  // namespace

std::string_view to_string(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "truncated";
    case DecodeError::kTrailing: return "trailing";
    case DecodeError::kTooLarge: return "too_large";
    case DecodeError::kBadType: return "bad_type";
    case DecodeError::kBadValue: return "bad_value";
  }
  return "unknown";
}

void Writer::write(const char* data, std::size_t size) {
  if (overflow_ || size > left()) {
    overflow_ = true;
    return;
  }
  std::ranges::copy(ByteView(reinterpret_cast<const std::uint8_t*>(data), size),
                    room_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += size;
}

Writer& Writer::array(std::size_t count) {
  msgpack::packer<Writer>(*this).pack_array(static_cast<std::uint32_t>(count));
  return *this;
}
Writer& Writer::uint(std::uint64_t value) {
  msgpack::packer<Writer>(*this).pack_uint64(value);
  return *this;
}
Writer& Writer::boolean(bool value) {
  msgpack::packer<Writer> packer(*this);
  value ? packer.pack_true() : packer.pack_false();
  return *this;
}
Writer& Writer::nil() {
  msgpack::packer<Writer>(*this).pack_nil();
  return *this;
}
Writer& Writer::bin(ByteView bytes) {
  msgpack::packer<Writer> packer(*this);
  packer.pack_bin(static_cast<std::uint32_t>(bytes.size()));
  write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return *this;
}
Writer& Writer::str(std::string_view text) {
  msgpack::packer<Writer> packer(*this);
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  write(text.data(), text.size());
  return *this;
}
MutableBytes Writer::bin_room(std::size_t length) {
  msgpack::packer<Writer>(*this).pack_bin(static_cast<std::uint32_t>(length));
  if (overflow_ || length > left()) {
    overflow_ = true;
    return {};
  }
  const MutableBytes room = room_.subspan(size_, length);
  size_ += length;
  return room;
}

Reader::Reader(ByteView bytes) {
  Parser& p = parser();
  p.collector.reset(&tokens_);
  p.helper.init();
  std::size_t offset = 0;
  if (bytes.empty()) {
    error_ = DecodeError::kTruncated;
    return;
  }
  try {  // the one place where a library may throw (msgpack::size_overflow and its like)
    const auto result = p.helper.execute(reinterpret_cast<const char*>(bytes.data()), bytes.size(),
                                         offset);
    if (p.collector.error()) {
      error_ = p.collector.error();
    } else if (result == msgpack::PARSE_CONTINUE) {
      error_ = DecodeError::kTruncated;
    } else if (result != msgpack::PARSE_SUCCESS && result != msgpack::PARSE_EXTRA_BYTES) {
      error_ = DecodeError::kBadType;
    } else if (offset != bytes.size()) {
      error_ = DecodeError::kTrailing;
    }
  } catch (const std::exception&) {
    error_ = DecodeError::kTooLarge;
  }
  count_ = p.collector.count();
}

void Reader::fail(DecodeError error) {
  if (!error_) error_ = error;
}

const Reader::Token* Reader::take(Token::Kind kind) {
  if (error_) return nullptr;
  if (next_ == count_) {
    fail(DecodeError::kTruncated);
    return nullptr;
  }
  const Token& token = tokens_[next_];
  if (token.kind != kind) {
    fail(DecodeError::kBadType);
    return nullptr;
  }
  ++next_;
  return &token;
}

std::size_t Reader::array(std::size_t max) {
  const Token* token = take(Token::Kind::kArray);
  if (token == nullptr) return 0;
  if (token->length > max) {
    fail(DecodeError::kTooLarge);
    return 0;
  }
  return token->length;
}

void Reader::array_of(std::size_t count) {
  const Token* token = take(Token::Kind::kArray);
  if (token == nullptr || token->length == count) return;
  fail(token->length < count ? DecodeError::kTruncated : DecodeError::kTrailing);
}

std::uint64_t Reader::uint(std::uint64_t max) {
  const Token* token = take(Token::Kind::kUint);
  if (token == nullptr) return 0;
  if (token->number > max) {
    fail(DecodeError::kBadValue);
    return 0;
  }
  return token->number;
}

bool Reader::boolean() {
  const Token* token = take(Token::Kind::kBool);
  return token != nullptr && token->number != 0;
}

ByteView Reader::bin(std::size_t max) {
  const Token* token = take(Token::Kind::kBin);
  if (token == nullptr) return {};
  if (token->length > max) {
    fail(DecodeError::kTooLarge);
    return {};
  }
  return {token->data, token->length};
}

std::string_view Reader::str(std::size_t max) {
  const Token* token = take(Token::Kind::kStr);
  if (token == nullptr) return {};
  if (token->length > max) {
    fail(DecodeError::kTooLarge);
    return {};
  }
  return {reinterpret_cast<const char*>(token->data), token->length};
}

bool Reader::skip_nil() {
  if (error_ || next_ == count_ || tokens_[next_].kind != Token::Kind::kNil) return false;
  ++next_;
  return true;
}

bool Reader::next_is_bin() const {
  return !error_ && next_ < count_ && tokens_[next_].kind == Token::Kind::kBin;
}

std::optional<DecodeError> Reader::finish() {
  if (!error_ && next_ != count_) error_ = DecodeError::kTrailing;
  return error_;
}

}  // namespace weft
