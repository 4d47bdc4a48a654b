// Memory of guests that the embedder asks for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/types.hpp"
#include "embed/ranges.hpp"

namespace sudrun::runtime {
class AddressSpace;
}

namespace sudrun::embed {

inline constexpr std::size_t kGateSize = 4096, kGatePlace = 16;
/// How many functions of the embedder's there may be.
inline constexpr std::size_t kMostFunctions = kGateSize / kGatePlace - 1;

/// Maps zeros with protection `native` (PROT_*): at `at`, where nothing may be, or where there is room for
/// the guest if that is 0. The address or a negative errno.
std::int64_t map_zeros(runtime::AddressSpace& addresses, abi::Word at, std::size_t size, int native) noexcept;
std::int64_t protect(abi::Word at, std::size_t size, int native) noexcept;
void unmap(abi::Word at, std::size_t size) noexcept;
/// See sudrun_guest::serve_own_site(). 0: no room.
abi::Word map_gate_page(runtime::AddressSpace& addresses) noexcept;
/// Notes what native call `number`, which has said `result`, did to the guest's mappings.
void follow_change(Ranges& ranges, long number, const std::array<abi::Word, 3>& args,
                   std::int64_t result) noexcept;
/// Copies between memory of guests and buffers, on any host thread. False: not all of it is there.
bool copy_from_guest(abi::Word from, void* to, std::size_t size) noexcept;
bool copy_to_guest(abi::Word to, const void* from, std::size_t size) noexcept;

}  // namespace sudrun::embed
