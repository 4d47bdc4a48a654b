// C++ view of gate.S.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
// Labels; only their addresses mean anything.
[[gnu::visibility("hidden")]] extern const char sudrun_gate_begin[], sudrun_gate_end[];
[[gnu::visibility("hidden")]] extern const char sudrun_entry_window_begin[], sudrun_entry_window_end[];
[[gnu::visibility("hidden")]] extern const char sudrun_interruptible_begin[], sudrun_interruptible_syscall[],
    sudrun_interruptible_interrupted[];
[[gnu::visibility("hidden")]] extern const char sudrun_resume_begin[], sudrun_resume_jump[],
    sudrun_resume_end[];
[[gnu::visibility("hidden")]] extern const char sudrun_access_begin[], sudrun_access_end[],
    sudrun_access_fault[];

// Labels of gate_site.inc; what they mean is said there.
[[gnu::visibility("hidden")]] extern const char sudrun_site_entry[], sudrun_site_noted[],
    sudrun_site_flags_noted[], sudrun_site_stack_left[], sudrun_site_committed[];
[[gnu::visibility("hidden")]] extern const char sudrun_fast_none[], sudrun_fast_plain[], sudrun_fast_fd[],
    sudrun_fast_fd_buffer[], sudrun_fast_known[], sudrun_fast_clock[], sudrun_fast_futex[],
    sudrun_fast_sleep[], sudrun_fast_wake[];
[[gnu::visibility("hidden")]] extern const char sudrun_fast_syscall[], sudrun_fast_returned[],
    sudrun_fast_swapped[], sudrun_fast_result_noted[], sudrun_fast_end[];
[[gnu::visibility("hidden")]] extern const char sudrun_futex_moved[], sudrun_futex_returned[],
    sudrun_futex_restored[], sudrun_futex_noted[], sudrun_futex_end[];
[[gnu::visibility("hidden")]] extern const char sudrun_clock_store[], sudrun_clock_stored[],
    sudrun_clock_done[], sudrun_clock_end[], sudrun_clock_failed[];
[[gnu::visibility("hidden")]] extern const char sudrun_known_on_host_stack[], sudrun_known_back[];

[[gnu::visibility("hidden")]] void sudrun_trap_entry(int, void*, void*);
/// The same for processes that have threads without a guest: those go to sudrun_not_a_guest().
[[gnu::visibility("hidden")]] void sudrun_library_entry(int, void*, void*);
[[gnu::visibility("hidden")]] void sudrun_restorer();
/// Runs the guest whose registers are in the calling thread's block until it makes a call.
[[gnu::visibility("hidden")]] void sudrun_run_guest() noexcept;
[[gnu::visibility("hidden")]] void sudrun_run_guest_by_frame(const void* frame, std::size_t size) noexcept;
[[gnu::visibility("hidden")]] extern const char sudrun_to_host_loop[];

/// Native call from the always-allowed range; returns the kernel's value. Async-signal-safe.
[[gnu::visibility("hidden")]] std::int64_t sudrun_gate_call(long number, std::uint64_t a0, std::uint64_t a1,
                                                            std::uint64_t a2, std::uint64_t a3,
                                                            std::uint64_t a4, std::uint64_t a5) noexcept;
/// The same, returning -EINTR if a signal for the guest is pending or arrives before the kernel is entered.
[[gnu::visibility("hidden")]] std::int64_t sudrun_gate_call_interruptible(long number, std::uint64_t a0,
                                                                          std::uint64_t a1, std::uint64_t a2,
                                                                          std::uint64_t a3, std::uint64_t a4,
                                                                          std::uint64_t a5) noexcept;

// Access to guest memory; each returns 0, or 1 after a fault. Callers check the range first.
[[gnu::visibility("hidden")]] int sudrun_copy(void* to, const void* from, std::size_t size) noexcept;
[[gnu::visibility("hidden")]] int sudrun_copy_string(char* to, const char* from, std::size_t size,
                                                     std::size_t* length) noexcept;
[[gnu::visibility("hidden")]] int sudrun_load32(const std::uint32_t* from, std::uint32_t* value) noexcept;
[[gnu::visibility("hidden")]] int sudrun_compare_exchange32(std::uint32_t* at, std::uint32_t* expected,
                                                            std::uint32_t desired, bool* swapped) noexcept;
}

namespace sudrun::runtime {

inline std::int64_t native(long number, std::uint64_t a0 = 0, std::uint64_t a1 = 0, std::uint64_t a2 = 0,
                           std::uint64_t a3 = 0, std::uint64_t a4 = 0, std::uint64_t a5 = 0) noexcept {
  return sudrun_gate_call(number, a0, a1, a2, a3, a4, a5);
}

/// An argument of a native call that is a host pointer.
inline std::uint64_t word(const volatile void* pointer) noexcept {
  return reinterpret_cast<std::uint64_t>(pointer);
}

}  // namespace sudrun::runtime
