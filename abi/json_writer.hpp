// One JSON object in a buffer of the caller's, valid however little room there is and whatever the bytes are.
// Allocates nothing and takes no lock: traces are written where a JSON library cannot be used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sudrun::abi {

/// Members are written whole or not at all. If one has been left out, the object ends in `"truncated":true`.
class JsonWriter {
 public:
  /// `to`: 64 bytes at least.
  explicit JsonWriter(std::span<char> to) noexcept;

  void integer(std::string_view key, std::int64_t value) noexcept;
  void boolean(std::string_view key, bool value) noexcept { literal(key, value ? "true" : "false"); }
  void null(std::string_view key) noexcept { literal(key, "null"); }
  /// `value` is JSON already: digits, `true`, `null`.
  void literal(std::string_view key, std::string_view value) noexcept;
  /// A string. Bytes that are not UTF-8 make it an object, {"hex":"ff00"}; one that is not all there is an
  /// object as well, {"text":"begins so","truncated":true}, or the same with `hex`.
  void text(std::string_view key, std::string_view value, bool cut = false) noexcept;

  /// What is written until close() is members of an object `key`, which leaves `reserve` bytes free for what
  /// follows. One level only.
  void open(std::string_view key, std::size_t reserve) noexcept;
  void close() noexcept;

  /// Ends the object; returns its length.
  std::size_t finish() noexcept;

 private:
  void put(std::string_view text) noexcept;
  void put_string(std::string_view text) noexcept;
  void put_hex(std::string_view bytes) noexcept;
  bool begin(std::string_view key) noexcept;
  void end() noexcept;

  std::span<char> to_;
  std::size_t used_ = 0, limit_, mark_ = 0;
  bool first_ = true, full_ = false, left_out_ = false, open_ = false, skipping_ = false;
};

/// How many bytes at the beginning are well-formed UTF-8 (RFC 3629).
std::size_t utf8_length(std::string_view text) noexcept;
/// True if all of it is.
inline bool is_utf8(std::string_view text) noexcept { return utf8_length(text) == text.size(); }

}  // namespace sudrun::abi
