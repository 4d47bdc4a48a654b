// How this room reports failure: a kind for programs, one line for people.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace sudrun::loader {

struct LoadError {
  enum class Kind : std::uint8_t {
    empty,         ///< no bytes at all
    not_elf,       ///< another format
    truncated,     ///< the file ends before something it promises
    wrong_class,   ///< not 64-bit
    wrong_endian,  ///< not little-endian
    wrong_version,
    wrong_machine,  ///< not x86-64
    wrong_type,     ///< object file, core dump…
    bad_header,     ///< program header size or count
    no_segments,    ///< nothing to load
    bad_segment,    ///< sizes that cannot be: overflow, more in the file than in memory
    overlap,        ///< segments out of order or over each other
    misaligned,     ///< address and file offset disagree modulo the page size, or odd alignment
    out_of_range,   ///< outside the guest's part of the address space
    bad_entry,      ///< entry point outside all executable segments
    bad_interpreter,
    bad_note,
    read_failed,    ///< the source could not be read
    too_big,        ///< arguments and environment do not fit (E2BIG)
    address_taken,  ///< the host has something where the program must go
    cannot_map,
  };
  Kind kind;
  std::string message;
};

/// A value or a LoadError.
template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Outcome(LoadError error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& operator*() noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const noexcept { return *std::get_if<0>(&state_); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }
  const LoadError& error() const noexcept { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, LoadError> state_;
};

}  // namespace sudrun::loader
