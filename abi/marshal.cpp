#include "abi/marshal.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "abi/personality.hpp"

namespace sudrun::abi {

namespace {

/// The structure whose elements point to memory the kernel reads or writes (readv(2)).
constexpr std::string_view kVectorStruct = "iovec";
constexpr Word kMostAtOnce = 0x7fff'f000;   // Linux' MAX_RW_COUNT
constexpr std::uint64_t kMaxVector = 1024;  // IOV_MAX of both systems

constexpr bool is_signed(ScalarType type) noexcept { return type <= ScalarType::i64; }
constexpr std::uint64_t value_mask(ScalarType type) noexcept {
  return ~std::uint64_t{0} >> (64 - scalar_size(type) * 8);
}
constexpr bool is_bytes(ScalarType type) noexcept {
  return type == ScalarType::chars || type == ScalarType::pad;
}

std::uint64_t load(const std::byte* from, ScalarType type) noexcept {
  std::uint64_t value = 0;
  const unsigned size = scalar_size(type);
  std::memcpy(&value, from, size);
  if (!is_signed(type) || size == 8) return value;
  const unsigned shift = 64 - size * 8;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

/// False if a field narrower than the one the value came from cannot hold it.
bool store(std::byte* to, ScalarType type, std::uint64_t value, ScalarType from) noexcept {
  const unsigned size = scalar_size(type);
  std::memcpy(to, &value, size);
  return size >= scalar_size(from) || load(to, type) == value;
}

/// Copies bytes of an array; false if the shorter target loses anything but zeros.
bool copy_bytes(std::byte* to, unsigned to_count, const std::byte* from, unsigned from_count) noexcept {
  const unsigned common = std::min(to_count, from_count);
  std::memcpy(to, from, common);
  std::memset(to + common, 0, to_count - common);
  return std::all_of(from + common, from + from_count, [](std::byte b) { return b == std::byte{}; });
}

constexpr bool is_pointer(RoleKind kind) noexcept {
  return kind >= RoleKind::path && kind <= RoleKind::out_sockaddr && kind != RoleKind::ptr;
}
constexpr bool is_scalar_param(const Role& role) noexcept { return role.param >= kScalarParam; }
constexpr ScalarType scalar_param(const Role& role) noexcept {
  return static_cast<ScalarType>(role.param - kScalarParam);
}

/// For an address the kernel is to read or write from. Where the range ends does not matter: behind the
/// guest's top is nothing, and the kernel goes through a range from its beginning.
Word or_nowhere(Word word) noexcept { return word < kGuestTop ? word : kNowhere; }

/// True if elements * size bytes at `addr` are the guest's; an empty range is, wherever it lies.
bool range_in_guest(GuestAddr addr, std::uint64_t elements, std::uint64_t size) noexcept {
  if (elements == 0 || size == 0) return true;
  if (elements > kGuestTop / size) return false;
  return Host::in_guest(addr, elements * size);
}

/// A structure that is converted: its native form, and where it goes afterwards.
struct Converted {
  GuestAddr guest;
  std::byte* native;
  std::uint16_t layout;
  bool out;
};

/// The arguments of one native call while it is made.
class Marshaller {
 public:
  explicit Marshaller(Call& call) noexcept : call_(call) {}

  /// Fills words(); returns 0 or a native errno.
  int arguments() noexcept;
  const std::array<Word, 6>& words() const noexcept { return words_; }
  /// Writes output structures back; returns 0 or a native errno.
  int results() noexcept;

 private:
  unsigned long_size() const noexcept;
  int argument(unsigned index, Word& word) noexcept;
  int range(unsigned index, Word& word) noexcept;
  int sockaddr(unsigned index, Word& word) noexcept;
  int structure(const Role& role, Word& word) noexcept;
  std::byte* scratch(std::size_t size) noexcept;

  Call& call_;
  std::array<Word, 6> words_{};
  std::array<Converted, 6> converted_;  // the first converted_count_
  unsigned converted_count_ = 0;
  std::size_t used_ = 0;
  alignas(16) std::array<std::byte, kMarshalScratch> scratch_;
};

std::byte* Marshaller::scratch(std::size_t size) noexcept {
  const std::size_t rounded = (size + 15) & ~std::size_t{15};
  if (rounded > scratch_.size() - used_) return nullptr;
  std::byte* const memory = scratch_.data() + used_;
  used_ += rounded;
  return memory;
}

/// The argument that is the size of a buffer and more than Linux takes at once; kMaxArgs if there is none.
unsigned Marshaller::long_size() const noexcept {
  const Entry& entry = call_.entry;
  for (unsigned i = 0; i < entry.argc; ++i) {
    const Role& role = entry.args[i];
    if ((role.kind != RoleKind::in_buf && role.kind != RoleKind::out_buf) ||
        (role.count & kLiteralCount) != 0)
      continue;
    if (entry.args[role.count].kind == RoleKind::size && call_.word(role.count) > kMostAtOnce)
      return role.count;
  }
  return kMaxArgs;
}

int Marshaller::arguments() noexcept {
  const Entry& entry = call_.entry;
  unsigned clipped = kMaxArgs;
  if (call_.personality.refuses_long_buffers()) {
    clipped = long_size();
    if (clipped != kMaxArgs && static_cast<std::int64_t>(call_.word(clipped)) < 0) return EINVAL;
  }
  for (unsigned i = 0; i < entry.native_argc; ++i) {
    const unsigned source = entry.native_args[i];
    if (source & 0x80) {
      words_[i] = call_.table.constant(source & 0x7f);
    } else if (const int error = argument(source, words_[i]); error != 0) {
      return error;
    }
    if (source == clipped) words_[i] = kMostAtOnce;  // more, and Linux compares the end with its own top
  }
  return 0;
}

int Marshaller::argument(unsigned index, Word& word) noexcept {
  const Role& role = call_.entry.args[index];
  word = narrow(role, call_.word(index));
  switch (role.kind) {
    case RoleKind::fd:
    case RoleKind::dirfd: {
      const int fd = static_cast<int>(word);
      if (role.kind == RoleKind::dirfd && fd == kAtFdcwd) return 0;
      return fd >= 0 && call_.host.is_hidden(fd) ? EBADF : 0;
    }
    case RoleKind::signal: {
      if (static_cast<int>(word) == 0) return 0;
      word = static_cast<Word>(call_.table.signal_to_native(static_cast<int>(word)));
      return word == 0 ? EINVAL : 0;
    }
    case RoleKind::flags: {
      const auto native = call_.table.flag_set(role.param).to_native(word);
      if (!native) return EINVAL;
      word = *native;
      return 0;
    }
    case RoleKind::path:
    case RoleKind::cstr:
    case RoleKind::strv:
      word = or_nowhere(word);
      return 0;
    case RoleKind::in_buf:
    case RoleKind::out_buf:
    case RoleKind::inout_buf:
    case RoleKind::in_array:
    case RoleKind::out_array:
    case RoleKind::in_records:
    case RoleKind::out_records:
      return range(index, word);
    case RoleKind::in_sockaddr:
    case RoleKind::out_sockaddr:
      return sockaddr(index, word);
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
      return structure(role, word);
    default:
      return 0;
  }
}

int Marshaller::range(unsigned index, Word& word) noexcept {
  const Role& role = call_.entry.args[index];
  if (word == 0) return 0;  // the kernel judges
  const auto count = count_of(call_.entry, call_.frame, index, call_.host);
  if (!count) return EFAULT;
  // A negative count is no range; the kernel has an error of its own for it, and reads nothing.
  if (static_cast<std::int64_t>(*count) < 0 && role.kind >= RoleKind::in_array) return EINVAL;
  if (*count == 0) return 0;
  word = or_nowhere(word);
  const bool is_vector = role.kind == RoleKind::in_array && !is_scalar_param(role) &&
                         call_.table.struct_layout(role.param).name() == kVectorStruct;
  if (!is_vector) return 0;
  if (*count > kMaxVector) return EINVAL;  // before the vector is looked at, as both kernels do it
  return check_vector(call_.host, guest_addr(word), *count);
}

int Marshaller::sockaddr(unsigned index, Word& word) noexcept {
  if (word == 0) return 0;
  const auto length = count_of(call_.entry, call_.frame, index, call_.host);
  if (!length) return EFAULT;
  if (*length != 0) word = or_nowhere(word);
  return 0;
}

int Marshaller::structure(const Role& role, Word& word) noexcept {
  const GuestAddr guest = guest_addr(word);
  const StructLayout layout = is_scalar_param(role) ? StructLayout() : call_.table.struct_layout(role.param);
  if (!layout || layout.identical()) {
    word = or_nowhere(word);
    return 0;
  }

  if (word == 0 && role.nullable) return 0;
  if (word == 0 || !Host::in_guest(guest, layout.guest_size())) {
    word = kNowhere;
    return 0;
  }
  std::byte* const native = scratch(layout.native_size());
  if (native == nullptr || converted_count_ == converted_.size())
    return EFAULT;  // the freezer keeps this from happening

  if (role.kind == RoleKind::out_struct) {
    std::memset(native, 0, layout.native_size());
  } else {
    const std::size_t mark = used_;
    std::byte* const copy = scratch(layout.guest_size());
    if (copy == nullptr) return EFAULT;
    if (!call_.host.read(guest, copy, layout.guest_size())) {
      word = kNowhere;
      return 0;
    }
    const int error = struct_to_native(call_.table, layout, copy, native);
    used_ = mark;
    if (error != 0) return error;
  }
  converted_[converted_count_++] = {guest, native, role.param, role.kind != RoleKind::in_struct};
  word = std::bit_cast<Word>(native);
  return 0;
}

int Marshaller::results() noexcept {
  for (unsigned i = 0; i < converted_count_; ++i) {
    const Converted& converted = converted_[i];
    if (!converted.out) continue;
    const StructLayout layout = call_.table.struct_layout(converted.layout);
    const std::size_t mark = used_;
    std::byte* const copy = scratch(layout.guest_size());
    if (copy == nullptr) return EFAULT;
    const int error = struct_to_guest(call_.table, layout, converted.native, copy);
    if (error != 0) return error;
    if (!call_.host.write(converted.guest, copy, layout.guest_size())) return EFAULT;
    used_ = mark;
  }
  return 0;
}

Result guest_value(const Call& call, NativeResult native) noexcept {
  if (is_error(native)) return Result::of(native);
  const Role& role = call.entry.returns;
  const auto value = static_cast<Word>(native);
  if (role.kind == RoleKind::flags) return Result::ok(call.table.flag_set(role.param).to_guest(value));
  if (role.kind == RoleKind::signal)
    return Result::ok(static_cast<Word>(call.table.signal_to_guest(static_cast<int>(value))));
  return Result::ok(value);
}

}  // namespace

int check_vector(Host& host, GuestAddr at, std::uint64_t count) noexcept {
  struct Element {
    std::uint64_t base, size;
  };
  if (!range_in_guest(at, count, sizeof(Element))) return EFAULT;
  std::array<Element, 16> chunk;
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t n = std::min<std::uint64_t>(chunk.size(), count - done);
    if (!host.read(at + done * sizeof(Element), chunk.data(), n * sizeof(Element))) return EFAULT;
    for (std::uint64_t i = 0; i < n; ++i) {
      // Sizes beyond SSIZE_MAX are EINVAL, which is the kernel's to say.
      if (chunk[i].size != 0 && static_cast<std::int64_t>(chunk[i].size) > 0 &&
          !Host::in_guest(guest_addr(chunk[i].base), 1))
        return EFAULT;
    }
    done += n;
  }
  return 0;
}

Word narrow(const Role& role, Word word) noexcept {
  switch (role.kind) {
    case RoleKind::int_:
    case RoleKind::pid:
    case RoleKind::tid:
    case RoleKind::fd:
    case RoleKind::dirfd:
    case RoleKind::signal:
      return static_cast<Word>(std::int64_t{static_cast<std::int32_t>(word)});
    case RoleKind::uint_:
    case RoleKind::uid:
    case RoleKind::gid:
    case RoleKind::mode:
      return static_cast<std::uint32_t>(word);
    case RoleKind::flags:
      return role.count == 32 ? static_cast<std::uint32_t>(word) : word;
    default:
      return word;
  }
}

std::uint32_t element_size(const Table& table, const Role& role) noexcept {
  switch (role.kind) {
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
    case RoleKind::in_array:
    case RoleKind::out_array:
      return is_scalar_param(role) ? scalar_size(scalar_param(role))
                                   : table.struct_layout(role.param).guest_size();
    default:
      return 1;
  }
}

std::optional<std::uint64_t> number_of(const Role& role, Word word, Host& host) noexcept {
  if (!is_pointer(role.kind)) return narrow(role, word);
  if (word == 0) return 0;

  // A pointer to the count: socklen_t* and the like.
  const ScalarType type = is_scalar_param(role) ? scalar_param(role) : ScalarType::u32;
  std::array<std::byte, 8> bytes{};
  if (!Host::in_guest(guest_addr(word), scalar_size(type))) return std::nullopt;
  if (!host.read(guest_addr(word), bytes.data(), scalar_size(type))) return std::nullopt;
  return load(bytes.data(), type);
}

std::optional<std::uint64_t> count_of(const Entry& entry, const Frame& frame, unsigned index,
                                      Host& host) noexcept {
  const std::uint8_t count = entry.args[index].count;
  if (count & kLiteralCount) return count & ~unsigned{kLiteralCount};
  return number_of(entry.args[count], frame.args[count], host);
}

int struct_to_native(const Table& table, const StructLayout& layout, const std::byte* guest,
                     std::byte* native) noexcept {
  std::memset(native, 0, layout.native_size());
  for (const Field& field : layout.fields()) {
    if (!field.has_native || field.guest_type == ScalarType::pad) continue;
    const std::byte* const from = guest + field.guest_offset;
    std::byte* const to = native + field.native_offset;
    if (is_bytes(field.guest_type)) {
      if (!copy_bytes(to, field.native_count, from, field.count)) return EINVAL;
      continue;
    }
    std::uint64_t value = load(from, field.guest_type);
    if (field.flagset != 0xffff) {
      const auto translated = table.flag_set(field.flagset).to_native(value & value_mask(field.guest_type));
      if (!translated) return EINVAL;
      value = *translated;
    }
    if (!store(to, field.native_type, value, field.guest_type)) return EINVAL;
  }
  return 0;
}

int struct_to_guest(const Table& table, const StructLayout& layout, const std::byte* native,
                    std::byte* guest) noexcept {
  std::memset(guest, 0, layout.guest_size());
  for (const Field& field : layout.fields()) {
    if (!field.has_native || field.guest_type == ScalarType::pad) continue;
    const std::byte* const from = native + field.native_offset;
    std::byte* const to = guest + field.guest_offset;
    if (is_bytes(field.guest_type)) {
      if (!copy_bytes(to, field.count, from, field.native_count)) return EOVERFLOW;
      continue;
    }
    std::uint64_t value = load(from, field.native_type);
    if (field.flagset != 0xffff) {
      value = table.flag_set(field.flagset).to_guest(value & value_mask(field.native_type));
    }
    if (!store(to, field.guest_type, value, field.native_type)) return EOVERFLOW;
  }
  return 0;
}

Result native_call(Call& call) noexcept {
  const Entry& entry = call.entry;
  if (entry.pass_through) {
    const auto& args = call.frame.args;
    return guest_value(call, call.host.call_interruptible(entry.target, args[0], args[1], args[2], args[3],
                                                          args[4], args[5]));
  }

  Marshaller marshaller(call);
  if (const int error = marshaller.arguments(); error != 0) return Result::fail(error);
  const auto& words = marshaller.words();
  const NativeResult native =
      call.host.call_interruptible(entry.target, words[0], words[1], words[2], words[3], words[4], words[5]);
  if (!is_error(native)) {
    if (const int error = marshaller.results(); error != 0) return Result::fail(error);
  }
  return guest_value(call, native);
}

}  // namespace sudrun::abi
