#include "runtime/report.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "loader/disassembler.hpp"
#include "runtime/gate.hpp"
#include "runtime/quiet_write.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

[[gnu::format(printf, 1, 2)]] void say(const char* format, ...) noexcept {
  std::array<char, 512> line;
  va_list arguments;
  va_start(arguments, format);
  const int n = std::vsnprintf(line.data(), line.size(), format, arguments);
  va_end(arguments);
  if (n > 0) write_quietly(2, line.data(), std::min(static_cast<std::size_t>(n), line.size() - 1));
}

void say_registers(const abi::Registers& r) noexcept {
  say("  rip %016lx  rsp %016lx  rbp %016lx  flags %lx\n", r.rip, r.rsp, r.rbp, r.rflags);
  say("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", r.rax, r.rbx, r.rcx, r.rdx);
  say("  rsi %016lx  rdi %016lx  r8  %016lx  r9  %016lx\n", r.rsi, r.rdi, r.r8, r.r9);
  say("  r10 %016lx  r11 %016lx  r12 %016lx  r13 %016lx\n", r.r10, r.r11, r.r12, r.r13);
  say("  r14 %016lx  r15 %016lx\n", r.r14, r.r15);
}

void say_recent_calls(GuestThread& thread) noexcept {
  const auto calls = thread.recent_calls();
  const unsigned end = thread.recent_position();
  const unsigned count = std::min<unsigned>(end, static_cast<unsigned>(calls.size()));
  if (count == 0) return;
  say("  last calls, newest last:\n");
  const abi::Table& table = thread.process().table();
  for (unsigned i = end - count; i != end; ++i) {
    const CallRecord& c = calls[i % calls.size()];
    const auto name = table.string(table.entry(c.number).name);
    const int width = static_cast<int>(name.size());
    if (!c.finished)
      say("    %.*s(0x%lx, 0x%lx, 0x%lx)\n", width, name.data(), c.args[0], c.args[1], c.args[2]);
    else if (c.failed)
      say("    %.*s(0x%lx, 0x%lx, 0x%lx) = -1 %s\n", width, name.data(), c.args[0], c.args[1], c.args[2],
          table.errno_name(static_cast<int>(c.result)).data());
    else
      say("    %.*s(0x%lx, 0x%lx, 0x%lx) = 0x%lx\n", width, name.data(), c.args[0], c.args[1], c.args[2],
          c.result);
  }
}

void say_code(GuestThread& thread, abi::Word rip) noexcept {
  std::array<std::byte, 64> bytes;
  std::size_t have = bytes.size();
  while (have != 0 && !thread.read(abi::guest_addr(rip), bytes.data(), have)) --have;
  if (have == 0) {
    say("  no code can be read at rip\n");
    return;
  }
  loader::Disassembler disassembler;
  say("  code at rip:\n");
  std::size_t at = 0;
  for (int line = 0; line < 5 && at < have; ++line) {
    const auto insn = disassembler.decode(std::span<const std::byte>(bytes).subspan(at, have - at), rip + at);
    if (!insn) {
      say("    %lx: (not an instruction)\n", rip + at);
      return;
    }
    say("    %lx: %.*s %.*s\n", rip + at, static_cast<int>(insn->mnemonic.size()), insn->mnemonic.data(),
        static_cast<int>(insn->operands.size()), insn->operands.data());
    at += insn->size;
  }
}

}  // namespace

void report_unsupported(GuestThread& thread, abi::Word number) noexcept {
  const abi::Table& table = thread.process().table();
  const auto name = table.string(table.entry(number).name);
  const auto release = table.title();
  say("sudrun: call %lu (%.*s) of %.*s is not supported; the program gets \"no such call\"\n", number,
      name.empty() ? 7 : static_cast<int>(name.size()), name.empty() ? "unknown" : name.data(),
      static_cast<int>(release.size()), release.data());
}

void report_crash(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  const abi::Table& table = thread.process().table();
  const auto name = table.signal_name(table.signal_to_guest(info.signal));
  const abi::Registers& regs = thread.context().regs;
  say("sudrun: the program crashed: %.*s at rip 0x%lx, address 0x%lx (code %d), thread %d\n",
      static_cast<int>(name.size()), name.data(), regs.rip, info.address, info.code, thread.tid());
  say_registers(regs);
  say_recent_calls(thread);
  say_code(thread, regs.rip);
}

void report_wrong_instruction(GuestThread& thread) noexcept {
  say("sudrun: the program used a 32-bit system-call instruction, which is not supported\n");
  const abi::Word rip = thread.context().regs.rip - 2;
  say_registers(thread.context().regs);
  say_code(thread, rip);
}

void report_disagreement(GuestThread& thread, long number) noexcept {
  say("sudrun: native call %ld succeeded in thread %d and failed in others; the process cannot go on\n",
      number, thread.tid());
}

void report_internal_fault(GuestThread& thread, const abi::SignalInfo& info,
                           const abi::Registers& host) noexcept {
  say("sudrun: internal error: signal %d in the runtime at rip 0x%lx (gate at %p), address 0x%lx; please "
      "report this\n",
      info.signal, host.rip, static_cast<const void*>(sudrun_gate_begin), info.address);
  say_registers(host);
  say("  the program:\n");
  say_registers(thread.context().regs);
  say_recent_calls(thread);
}

}  // namespace sudrun::runtime
