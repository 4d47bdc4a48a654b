// What roles say about values, written out: numbers, strings, buffers, structures and what they point to.
// Part of format.cpp; allocates nothing.
#pragma once

#include <optional>

#include "abi/format_writer.hpp"
#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi {

class Personality;

/// What roles refer to by index: the arguments of a call, or the fields of a structure.
class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  /// The number there, or the one it points to; nothing if there is none.
  virtual std::optional<std::uint64_t> number(unsigned index) const noexcept = 0;

 protected:
  ~Scope() = default;
};

/// How far a call has come.
struct Progress {
  bool succeeded = false;                 ///< what the call writes is there
  std::uint64_t value = 0;                ///< its result, if it succeeded
  std::optional<std::uint64_t> filled{};  ///< bytes that it says it has written
};

class ValueFormatter {
 public:
  /// `personality` may be null: without it the names of numbered trees are not known.
  ValueFormatter(Writer& out, const Table& table, Host& host, const Personality* personality,
                 const Progress& progress) noexcept
      : out_(out), table_(table), host_(host), personality_(personality), progress_(progress) {}

  /// `word` as an argument or field of `role`. `written`: it was reached through something the call writes.
  void show(const Role& role, Word word, const Scope& scope, bool written = false) noexcept;

  /// What `role` stands for: itself, or what a variant is here.
  Role meaning(const Role& role, const Scope& scope) const noexcept;
  /// Bytes of a string or buffer.
  struct Bytes {
    std::size_t size = 0;
    bool cut = false;  ///< there are more
  };
  /// Reads the string or buffer that `word` points to into `room`, as much of it as show() would show.
  /// Nothing if it is none, or there is nothing to be read.
  static constexpr std::size_t kMaxText = 256;
  std::optional<Bytes> text_of(const Role& role, Word word, const Scope& scope,
                               std::span<char, kMaxText> room) noexcept;

 private:
  std::optional<Bytes> read_string(Word word, std::span<char> room) noexcept;
  std::optional<Bytes> read_bytes(Word word, std::uint64_t count, std::span<char> room) noexcept;
  std::optional<std::uint64_t> filled(const Role& role, const Scope& scope, bool written) noexcept;
  void number(const Role& role, Word word) noexcept;
  void string(Word word, std::size_t limit) noexcept;
  void strings(Word word) noexcept;
  void bytes(Word word, std::uint64_t count) noexcept;
  void buffer(const Role& role, Word word, const Scope& scope, bool written) noexcept;
  void structure(const StructLayout& layout, Word word, std::uint64_t limit, bool written) noexcept;
  void fields(const StructLayout& layout, std::span<const std::byte> bytes, bool written) noexcept;
  void field(const Field& field, std::span<const std::byte> bytes, const Scope& scope, bool written) noexcept;
  void element(const Role& role, Word word, bool written) noexcept;
  void array(const Role& role, Word word, const Scope& scope, bool written) noexcept;
  void records(const Role& role, Word word, const Scope& scope) noexcept;
  void mib(const Role& role, Word word, const Scope& scope) noexcept;
  void bits(const Role& role, Word word, const Scope& scope) noexcept;
  void signal_set(std::span<const std::byte> bytes) noexcept;
  void sockaddr(const Role& role, Word word, const Scope& scope) noexcept;
  void address_of_family(std::string_view family, std::span<const unsigned char> bytes) noexcept;

  Writer& out_;
  const Table& table_;
  Host& host_;
  const Personality* personality_;
  Progress progress_;
  unsigned depth_ = 0;
};

}  // namespace sudrun::abi
