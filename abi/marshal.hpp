// Carries out the rows of a table that name a native call: arguments in, results and structures out.
#pragma once

#include "abi/handler.hpp"

namespace sudrun::abi {

/// Room for the native forms of one call's structures. The freezer refuses rows that would need more.
inline constexpr std::size_t kMarshalScratch = 1024;

/// Makes the native call of a row with Action::native. Allocates nothing. Pointers whose range leaves the
/// guest's part of the address space are EFAULT, hidden descriptors EBADF, unmapped flags EINVAL.
Result native_call(Call& call) noexcept;

/// Converts one structure, guest to native. `native` must hold layout.native_size() bytes; all are written.
/// Returns 0 or a native errno: EINVAL for a refused flag or a value the native field cannot hold.
int struct_to_native(const Table& table, const StructLayout& layout, const std::byte* guest,
                     std::byte* native) noexcept;
/// Native to guest. Returns 0, or EOVERFLOW for a value the guest's field cannot hold.
int struct_to_guest(const Table& table, const StructLayout& layout, const std::byte* native,
                    std::byte* guest) noexcept;

/// Looks at a vector of `count` iovecs whose pointers the kernel is to follow: it would follow them anywhere,
/// also into the host's memory. 0, or EFAULT if the vector or a buffer it names is not the guest's.
int check_vector(Host& host, GuestAddr at, std::uint64_t count) noexcept;

/// Value of the argument that counts the elements of argument `index` (see Role::count), read through a
/// pointer where the counting argument is one. Nothing if that pointer cannot be read.
std::optional<std::uint64_t> count_of(const Entry& entry, const Frame& frame, unsigned index,
                                      Host& host) noexcept;
/// The number that an argument of `role` is, or points to. Nothing if that cannot be read.
std::optional<std::uint64_t> number_of(const Role& role, Word word, Host& host) noexcept;
/// Bytes of one element of a structure or array role, in guest form.
std::uint32_t element_size(const Table& table, const Role& role) noexcept;
/// `word` as an argument of `role`: 32-bit roles sign- or zero-extended as C does, others unchanged.
Word narrow(const Role& role, Word word) noexcept;

}  // namespace sudrun::abi
