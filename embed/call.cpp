// What a handler may do with the call it is given.
#include <cerrno>

#include "abi/convention.hpp"
#include "embed/guest.hpp"

using sudrun::abi::guest_addr;
using sudrun::abi::Result;
using sudrun::runtime::Stop;

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
  return call->thread.read(guest_addr(address), buffer, size) ? SUDRUN_OK : SUDRUN_E_FAULT;
}

sudrun_status sudrun_call_write(sudrun_call* call, uint64_t address, const void* bytes, size_t size) {
  return call->thread.write(guest_addr(address), bytes, size) ? SUDRUN_OK : SUDRUN_E_FAULT;
}

sudrun_status sudrun_call_read_string(sudrun_call* call, uint64_t address, char* buffer, size_t size) {
  if (size == 0) return SUDRUN_E_MEMORY;
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
  call->result = call->thread.carry_out(call->entry, call->frame);
}

int sudrun_call_has_result(const sudrun_call* call) { return call->result.has_value() ? 1 : 0; }

int sudrun_call_succeeded(const sudrun_call* call) { return call->result && call->result->is_ok() ? 1 : 0; }

uint64_t sudrun_call_result(const sudrun_call* call) {
  if (!call->result) return 0;
  if (!call->result->is_failure()) return call->result->value();
  return static_cast<uint64_t>(sudrun::abi::guest_errno(call->guest.process.table(), *call->result));
}

void sudrun_call_suspend(sudrun_call* call) { call->thread.pause({Stop::Kind::asked, 0, 0}); }

void sudrun_call_exit(sudrun_call* call, int status) {
  call->thread.end({Stop::Kind::exited, status & 0xff, 0});
}

}  // extern "C"
