// From the options of trace_options.hpp to those who carry them out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/injector.hpp"
#include "runtime/trace.hpp"

namespace sudrun::runtime {

/// Null if nothing is to be traced or counted. Throws LaunchError.
std::unique_ptr<Tracer> make_tracer(const TraceOptions& options, const abi::Table& table,
                                    HiddenDescriptors& hidden);
/// Null if nothing is to be injected. Throws LaunchError.
std::unique_ptr<Injector> make_injector(const TraceOptions& options, const abi::Table& table);
/// Adds what a program that is executed, perhaps of another system, must be told. `tracer` may be null.
void pass_on(const TraceOptions& options, const Tracer* tracer, std::vector<std::string>& to);

}  // namespace sudrun::runtime
