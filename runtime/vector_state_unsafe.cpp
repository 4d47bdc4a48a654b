#include "runtime/vector_state_unsafe.hpp"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sudrun::runtime {
namespace {

// What the kernel leaves in the reserved words of a frame's FXSAVE area.
struct SoftwareWords {
  std::uint32_t magic1, extended_size;
  std::uint64_t components;
  std::uint32_t size;
};
constexpr std::uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;
constexpr std::size_t kSoftwareOffset = 464;
constexpr std::size_t kFxsaveSize = 512, kHeaderSize = 64;
constexpr std::size_t kMxcsrOffset = 24, kMxcsrMaskOffset = 28, kMxcsrMaskEnd = 32;
constexpr std::uint16_t kInitialControlWord = 0x37f;
constexpr std::uint32_t kInitialMxcsr = 0x1f80;

std::uint64_t enabled_components() noexcept {
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | std::uint64_t{high} << 32;
}

std::uint32_t mxcsr_mask() noexcept {
  alignas(16) std::byte area[kFxsaveSize];
  asm volatile("fxsave64 %0" : "=m"(area));
  std::uint32_t mask = 0;
  std::memcpy(&mask, area + kMxcsrMaskOffset, sizeof mask);
  return mask;
}

void set_initial(std::span<std::byte> image) noexcept {
  std::memset(image.data(), 0, kMxcsrOffset);
  std::memset(image.data() + kMxcsrMaskEnd, 0, kSoftwareOffset - kMxcsrMaskEnd);
  std::memcpy(image.data(), &kInitialControlWord, sizeof kInitialControlWord);
  std::memcpy(image.data() + kMxcsrOffset, &kInitialMxcsr, sizeof kInitialMxcsr);
  if (image.size() >= kFxsaveSize + kHeaderSize) std::memset(image.data() + kFxsaveSize, 0, kHeaderSize);
}

std::uint8_t best_save = VECTOR_XINUSE;

VectorSupport find_support() noexcept {
  VectorSupport found;
  if (best_save == VECTOR_FXSAVE) return found;
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  constexpr std::uint32_t kOsxsave = 1U << 27, kStateLeaf = 0xd, kXgetbv1 = 1U << 2;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsxsave) == 0) return found;
  found.components = enabled_components();
  found.components &= ~std::uint64_t{COMPONENT_AMX};
  std::uint32_t end = kFxsaveSize + kHeaderSize;
  for (std::uint32_t component = 2; component < 63; ++component) {
    if (((found.components >> component) & 1) == 0) continue;
    if (__get_cpuid_count(kStateLeaf, component, &a, &b, &c, &d) == 0) return found;
    end = std::max(end, a + b);  // size, offset
  }
  found.image_size = (end + 63) & ~std::uint32_t{63};
  found.save = VECTOR_XSAVE;
  constexpr std::uint64_t kByHand = COMPONENT_SSE | COMPONENT_AVX;
  if ((found.components & kByHand) == kByHand && __get_cpuid_count(kStateLeaf, 1, &a, &b, &c, &d) != 0 &&
      (a & kXgetbv1) != 0 && best_save == VECTOR_XINUSE)
    found.save = VECTOR_XINUSE;
  return found;
}

}  // namespace

// Once: a virtual machine's monitor answers each `cpuid`, which takes its time.
const VectorSupport& vector_support() noexcept {
  static const VectorSupport found = find_support();
  return found;
}

void limit_vector_support(std::uint8_t save) noexcept { best_save = save; }

std::uint64_t components_of(std::span<const std::byte> image) noexcept {
  SoftwareWords words;
  std::memcpy(&words, image.data() + kSoftwareOffset, sizeof words);
  return words.components;
}

std::span<std::byte> image_in_frame(void* fxsave_area) noexcept {
  auto* const area = static_cast<std::byte*>(fxsave_area);
  if (area == nullptr) return {};
  SoftwareWords words;
  std::memcpy(&words, area + kSoftwareOffset, sizeof words);
  return {area, words.magic1 == kMagic1 ? words.size : kFxsaveSize};
}

void forget_initial_x87(std::span<std::byte> image) noexcept {
  if (image.size() < kFxsaveSize + kHeaderSize) return;
  constexpr std::size_t kRegisters = kMxcsrMaskEnd, kRegistersEnd = 160;
  std::array<std::uint64_t, kRegistersEnd / 8> words;
  std::memcpy(words.data(), image.data(), kRegistersEnd);
  std::uint64_t changed = words[0] ^ kInitialControlWord;
  for (std::size_t i = 1; i < words.size(); ++i)
    if (i * 8 < kMxcsrOffset || i * 8 >= kRegisters) changed |= words[i];
  if (changed != 0) return;
  auto& components = reinterpret_cast<std::uint8_t&>(image[kFxsaveSize]);
  components = static_cast<std::uint8_t>(components & ~COMPONENT_X87);
}

void initialise_image(std::span<std::byte> image, const VectorSupport& support) noexcept {
  const std::uint32_t mask = mxcsr_mask();
  std::memcpy(image.data() + kMxcsrMaskOffset, &mask, sizeof mask);
  set_initial(image);
  if (support.save == VECTOR_FXSAVE) return;
  const auto size = static_cast<std::uint32_t>(image.size());
  const SoftwareWords words{kMagic1, size + 4, support.components, size};
  std::memcpy(image.data() + kSoftwareOffset, &words, sizeof words);
  std::memcpy(image.data() + image.size(), &kMagic2, sizeof kMagic2);
}

void assign_image(std::span<std::byte> image, std::span<const std::byte> from) noexcept {
  set_initial(image);
  if (from.size() < kFxsaveSize) return;
  std::memcpy(image.data(), from.data(), kSoftwareOffset);  // the reserved words stay ours
  const std::size_t size = std::min(image.size(), from.size());
  if (size < kFxsaveSize + kHeaderSize) return;
  std::memcpy(image.data() + kFxsaveSize, from.data() + kFxsaveSize, size - kFxsaveSize);
  // Of components that only one of the two has room for, a thread has nothing when it starts.
  std::uint64_t present = 0;
  std::memcpy(&present, image.data() + kFxsaveSize, sizeof present);
  present &= components_of(image) & components_of(from);
  std::memcpy(image.data() + kFxsaveSize, &present, sizeof present);
}

}  // namespace sudrun::runtime
