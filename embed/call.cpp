// What a handler may do with the call it is given.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "abi/convention.hpp"
#include "embed/guest.hpp"
#include "embed/memory.hpp"
#include "embed/status.hpp"

using sudrun::abi::guest_addr;
using sudrun::abi::Result;
using sudrun::embed::require_here;
using sudrun::runtime::GuestThread;
using sudrun::runtime::Stop;

namespace {

/// Whether the calling host thread is in a handler of the call, where faults in the guest's memory are the
/// runtime's to catch. Else the kernel has to copy.
bool in_handler(const sudrun_call& call) noexcept { return GuestThread::here() == &call.thread; }

sudrun_status status_of(bool copied) noexcept { return copied ? SUDRUN_OK : SUDRUN_E_FAULT; }

sudrun_status read_string_outside(std::uint64_t from, char* buffer, std::size_t size) noexcept {
  constexpr std::uint64_t kPage = 4096;
  while (size != 0) {
    const std::size_t part = std::min<std::size_t>(size, kPage - from % kPage);
    if (!sudrun::embed::copy_from_guest(from, buffer, part)) return SUDRUN_E_FAULT;
    if (std::memchr(buffer, 0, part) != nullptr) return SUDRUN_OK;
    from += part, buffer += part, size -= part;
  }
  return SUDRUN_E_MEMORY;
}

}  // namespace

extern "C" {

int64_t sudrun_call_number(const sudrun_call* call) { return static_cast<int64_t>(call->frame.number); }

const char* sudrun_call_name(const sudrun_call* call) { return call->guest.table->name_of(call->entry); }

uint64_t sudrun_call_argument(const sudrun_call* call, unsigned index) {
  return index < call->frame.args.size() ? call->frame.args[index] : 0;
}

void sudrun_call_set_argument(sudrun_call* call, unsigned index, uint64_t value) {
  if (index < call->frame.args.size()) call->frame.args[index] = value;
}

sudrun_guest* sudrun_call_guest(const sudrun_call* call) { return &call->guest; }

sudrun_thread* sudrun_call_thread(const sudrun_call* call) {
  return static_cast<sudrun_thread*>(call->thread.companion());
}

sudrun_status sudrun_call_read(sudrun_call* call, uint64_t address, void* buffer, size_t size) {
  if (!in_handler(*call)) return status_of(sudrun::embed::copy_from_guest(address, buffer, size));
  return status_of(call->thread.read(guest_addr(address), buffer, size));
}

sudrun_status sudrun_call_write(sudrun_call* call, uint64_t address, const void* bytes, size_t size) {
  if (!in_handler(*call)) return status_of(sudrun::embed::copy_to_guest(address, bytes, size));
  return status_of(call->thread.write(guest_addr(address), bytes, size));
}

sudrun_status sudrun_call_read_string(sudrun_call* call, uint64_t address, char* buffer, size_t size) {
  if (size == 0) return SUDRUN_E_MEMORY;
  if (!in_handler(*call)) return read_string_outside(address, buffer, size);
  const auto length = call->thread.read_string(guest_addr(address), {buffer, size});
  if (length == -ENAMETOOLONG) return SUDRUN_E_MEMORY;
  return length < 0 ? SUDRUN_E_FAULT : SUDRUN_OK;
}

void sudrun_call_return(sudrun_call* call, uint64_t value) { call->result = Result::ok(value); }

void sudrun_call_fail(sudrun_call* call, int number) {
  call->result = Result::fail(static_cast<sudrun::abi::GuestErrno>(number));
}

void sudrun_call_fail_as_host(sudrun_call* call, int number) { call->result = Result::fail(number); }

void sudrun_call_keep_registers(sudrun_call* call) { call->result = Result::untouched(); }

void sudrun_call_proceed(sudrun_call* call) {
  require_here(call->thread, "sudrun_call_proceed");
  call->result = call->thread.carry_out(call->entry, call->frame);
}

int sudrun_call_has_result(const sudrun_call* call) { return call->result.has_value() ? 1 : 0; }

int sudrun_call_succeeded(const sudrun_call* call) { return call->result && call->result->is_ok() ? 1 : 0; }

uint64_t sudrun_call_result(const sudrun_call* call) {
  if (!call->result) return 0;
  if (!call->result->is_failure()) return call->result->value();
  return static_cast<uint64_t>(sudrun::abi::guest_errno(call->guest.process.table(), *call->result));
}

void sudrun_call_suspend(sudrun_call* call) {
  require_here(call->thread, "sudrun_call_suspend");
  call->thread.pause({Stop::Kind::asked, 0, 0});
}

void sudrun_call_exit(sudrun_call* call, int status) {
  require_here(call->thread, "sudrun_call_exit");
  call->thread.end({Stop::Kind::exited, status & 0xff, 0});
}

}  // extern "C"
