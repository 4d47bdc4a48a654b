// The guest's x87 and vector registers: what the processor has, and images of them in the form the kernel's
// signal frames use (XSAVE standard format; asm/sigcontext.h, asm/fpu/types.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/thread_block_offsets.h"

namespace sudrun::runtime {

/// What this processor offers.
struct VectorSupport {
  std::uint8_t save = VECTOR_FXSAVE;  ///< VECTOR_*
  std::uint32_t image_size = 512;     ///< bytes an image needs, a multiple of 64
  std::uint64_t components = 3;       ///< what the system has enabled, without AMX (see COMPONENT_AMX)
};
const VectorSupport& vector_support() noexcept;
/// For tests: from now on the processor offers no more than `save`, a VECTOR_*. Before vector_support().
void limit_vector_support(std::uint8_t save) noexcept;

/// Alignment XSAVE wants.
inline constexpr std::size_t kImageAlignment = 64;

/// The XSAVE components an image has room for. No more may be loaded from it: the processor may look at the
/// places of others even if their state is initial.
std::uint64_t components_of(std::span<const std::byte> image) noexcept;
/// The image in a signal frame's FXSAVE area, with as much as the kernel says is there.
std::span<std::byte> image_in_frame(void* fxsave_area) noexcept;
/// Marks the x87 registers in an image as initial if that is what they are. The kernel's frames always call
/// them in use, and what is in use is dear to save and load.
void forget_initial_x87(std::span<std::byte> image) noexcept;
/// After an image the kernel wants a word of its own.
inline constexpr std::size_t kImageTail = 4;
/// Makes zeroed memory, with kImageTail after it, an image that says what it holds, as the kernel's do, with
/// all registers initial.
void initialise_image(std::span<std::byte> image, const VectorSupport& support) noexcept;
/// Sets `image` to the state in `from`, an image of the kernel's or ours; to the initial state if that is
/// empty.
void assign_image(std::span<std::byte> image, std::span<const std::byte> from) noexcept;

}  // namespace sudrun::runtime
