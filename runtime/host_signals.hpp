// What an embedding program and its guests share: the signal dispositions of the process. Guests need those
// of the trap, of faults and of kLibrarySignal; signals that are not theirs go on to the program's own
// handlers.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "abi/types.hpp"

namespace sudrun::runtime {

/// Counts guests. The first installs the catchers, the last puts back what was there before, where nobody has
/// changed it since. Any thread.
void take_host_signals() noexcept;
void give_back_host_signals() noexcept;
/// False: somebody has replaced a catcher since, and guests cannot run.
bool host_signals_are_ours() noexcept;
/// What must not arrive in foreign code: its stack, thread pointer and trap are not what a function of the
/// program's needs that handles a signal. All, but those by which people end or stop a program that does
/// nothing about them.
abi::NativeSigset embedders_signals() noexcept;
/// Does with a signal what the program would have done, had there been no guests. In catchers.
void pass_to_embedder(int signal, siginfo_t* info, ucontext_t* frame) noexcept;

}  // namespace sudrun::runtime
