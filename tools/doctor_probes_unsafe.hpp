// What the doctor tries. Each probe returns 0, or an errno that says why not; it may die of it, or leave the
// process in a state nobody can go on in, so it is run in a child.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sudrun::tools {

struct ChildResult {
  int status = -1;  ///< exit status; -1: it did not exit
  int signal = 0;   ///< what it died of
  bool ok() const noexcept { return status == 0; }
};

using Probe = int (*)();
ChildResult in_child(Probe probe);
/// Executes a command with no input and no output.
ChildResult in_child(const std::vector<std::string>& argv);

int probe_user_dispatch();
int probe_inclusive_dispatch();
int probe_seccomp();
int probe_fsgsbase();
/// Exits with VECTOR_*.
int probe_vector_state();
int probe_sync_core();
/// Makes a mapped file's code writable, as rewriting does.
int probe_code_change();
int probe_pidfd();
int probe_exact_waits();
int probe_newer_calls();
int probe_process_memory();
int probe_queued_signals();
/// The lowest of the addresses that programs are linked to can be mapped.
int probe_low_addresses();
/// The highest that is refused of those; 0: none is.
std::uint64_t lowest_usable_address();
/// Linux puts its own mappings above where programs go.
bool host_is_above_programs();

/// A file descriptor of a small FreeBSD program that makes some calls and exits with 42; -1: none could be
/// made.
int open_sample_program();
inline constexpr int kSampleStatus = 42;

}  // namespace sudrun::tools
