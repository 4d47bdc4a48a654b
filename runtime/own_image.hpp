// The runtime's own program file as it is mapped.
#pragma once

namespace sudrun::runtime {

/// Unmaps what is resident of the runtime's code; it comes back, from the page cache, as it is
/// used. Starting up takes most of it, running guests a small part. (Breakpoints a debugger has set there are
/// gone as well.)
void drop_start_up_code() noexcept;

}  // namespace sudrun::runtime
