// From what goes wrong inside to what the C functions say.
#pragma once

#include <new>
#include <stdexcept>
#include <string>

#include "sudrun/sudrun.h"

namespace sudrun::embed {

/// What a C function returns and says.
class Failure : public std::runtime_error {
 public:
  Failure(sudrun_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
  sudrun_status status() const noexcept { return status_; }

 private:
  sudrun_status status_;
};

/// `message` without a newline, as much as there is room for. Returns `status`.
sudrun_status tell(sudrun_error* error, sudrun_status status, const std::string& message) noexcept;

/// Runs `body` and turns what it throws into a status: no exception leaves a C function.
template <typename Body>
sudrun_status guarded(sudrun_error* error, Body&& body) noexcept {
  try {
    body();
    return tell(error, SUDRUN_OK, "");
  } catch (const Failure& failure) {
    return tell(error, failure.status(), failure.what());
  } catch (const std::bad_alloc&) {
    return tell(error, SUDRUN_E_MEMORY, "no memory is left");
  } catch (const std::exception& other) {
    return tell(error, SUDRUN_E_SYSTEM, other.what());
  }
}

inline void require(bool holds, const char* what) {
  if (!holds) throw Failure(SUDRUN_E_ARGUMENT, what);
}

}  // namespace sudrun::embed
