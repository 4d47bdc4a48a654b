// Messages of the runtime itself. All go to standard error and begin with `sudrun: `.
#pragma once

#include "abi/registers.hpp"
#include "abi/signals.hpp"
#include "abi/types.hpp"

namespace sudrun::runtime {

class GuestThread;

/// One line: which call the guest made that the table does not support.
void report_unsupported(GuestThread& thread, abi::Word number) noexcept;
/// The guest dies of a fault: registers, the last calls, disassembly around the instruction.
void report_crash(GuestThread& thread, const abi::SignalInfo& info) noexcept;
/// A system-call instruction of another processor mode (int 0x80, sysenter).
void report_wrong_instruction(GuestThread& thread) noexcept;
/// Native call `number`, made in all threads, has failed in some.
void report_disagreement(GuestThread& thread, long number) noexcept;
/// The runtime itself has faulted, with `host` as its registers: a bug of ours.
void report_internal_fault(GuestThread& thread, const abi::SignalInfo& info,
                           const abi::Registers& host) noexcept;

}  // namespace sudrun::runtime
