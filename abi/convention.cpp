#include "abi/convention.hpp"

#include <algorithm>
#include <cerrno>

namespace sudrun::abi {

namespace {

/// The kernels take the call number as a 32-bit quantity.
constexpr Word number_of(Word word) noexcept { return static_cast<std::uint32_t>(word); }

bool is_indirect(const Convention& convention, Word number) noexcept {
  return std::any_of(convention.indirect.begin(), convention.indirect.end(), [&](std::int16_t indirect) {
    return indirect >= 0 && number == static_cast<Word>(indirect);
  });
}

/// Everything but the arguments on the stack. Returns how many arguments the registers held.
unsigned from_registers(const Convention& convention, const Registers& regs, Frame& frame) noexcept {
  frame.number = number_of(register_at(regs, convention.number));
  unsigned first = 0;
  if (convention.argc != 0 && is_indirect(convention, frame.number)) {
    frame.number = number_of(register_at(regs, convention.args[0]));
    first = 1;
  }
  for (unsigned i = first; i < convention.argc; ++i)
    frame.args[i - first] = register_at(regs, convention.args[i]);
  return convention.argc - first;
}

bool from_stack(const Convention& convention, const Registers& regs, Host& host, unsigned in_registers,
                unsigned argc, Frame& frame) noexcept {
  if (argc <= in_registers || convention.stack_args == 0) return true;
  const GuestAddr from = guest_addr(regs.rsp + convention.stack_args);
  const std::size_t size = (argc - in_registers) * sizeof(Word);
  return Host::in_guest(from, size) && host.read(from, &frame.args[in_registers], size);
}

}  // namespace

std::optional<Frame> frame_of(const Table& table, const Registers& regs, Host& host) noexcept {
  const Convention& convention = table.convention();
  Frame frame;
  const unsigned in_registers = from_registers(convention, regs, frame);
  const unsigned argc = table.entry(frame.number).argc;
  if (!from_stack(convention, regs, host, in_registers, argc, frame)) return std::nullopt;
  return frame;
}

std::optional<Frame> frame_of(const Convention& convention, const Registers& regs, Host& host,
                              unsigned argc) noexcept {
  Frame frame;
  const unsigned in_registers = from_registers(convention, regs, frame);
  if (!from_stack(convention, regs, host, in_registers, std::min(argc, kMaxArgs), frame)) return std::nullopt;
  return frame;
}

void translate_directories(const Table& table, const Entry& entry, Frame& frame) noexcept {
  for (unsigned i = 0; i < entry.argc; ++i) {
    if (entry.args[i].kind != RoleKind::dirfd) continue;
    const int fd = static_cast<int>(frame.args[i]);
    if (fd == table.convention().at_fdcwd)
      frame.args[i] = static_cast<Word>(std::int64_t{kAtFdcwd});
    else if (fd == kAtFdcwd)
      frame.args[i] = ~Word{0};
  }
}

int guest_errno(const Table& table, const Result& result) noexcept {
  switch (result.kind()) {
    case Result::Kind::native_error:
      return table.errno_to_guest(static_cast<int>(result.value()));
    case Result::Kind::guest_error:
      return static_cast<int>(result.value());
    default:
      return 0;
  }
}

Result futex_result(const Entry& entry, NativeResult native) noexcept {
  if (!is_error(native)) return Result::ok();
  const auto said = [&](std::uint8_t error) {
    return error != 0 ? Result::fail(static_cast<GuestErrno>(error)) : Result::of(native);
  };
  switch (-native) {
    case EAGAIN:
      return entry.futex_differs != 0 ? said(entry.futex_differs) : Result::ok();
    case ETIMEDOUT:
      return said(entry.futex_late);
    case EFAULT:
      return said(entry.futex_fault);
    default:
      return Result::of(native);
  }
}

void write_result(const Table& table, Registers& regs, const Result& result) noexcept {
  if (result.kind() == Result::Kind::untouched || result.kind() == Result::Kind::thread_exit) return;

  const Convention& convention = table.convention();
  Word& value = register_at(regs, convention.result);
  if (!result.is_ok()) {
    const Word error = static_cast<Word>(guest_errno(table, result));
    value = convention.carry_error ? error : Word{0} - error;
    if (convention.carry_error) regs.rflags |= kCarryFlag;
    return;
  }
  value = result.value();
  if (convention.result2 != 0xff && (result.has_value2() || convention.clears_result2))
    register_at(regs, convention.result2) = result.value2();
  if (convention.carry_error) regs.rflags &= ~kCarryFlag;
}

}  // namespace sudrun::abi
