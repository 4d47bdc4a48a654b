// The options of trace_options.hpp, for main.cpp.
#pragma once

#include <CLI/CLI.hpp>

#include <map>
#include <string>

#include "runtime/trace_options.hpp"

namespace sudrun::runtime {

inline void add_trace_options(CLI::App& app, TraceOptions& options) {
  // CLI11 says `true` where a flag has no value.
  app.add_flag("-t,--trace", options.calls,
               "Write every call, one line each, to standard error; --trace=file,network,!read: only those")
      ->transform([](const std::string& calls) { return calls == "true" ? std::string("all") : calls; });
  const std::map<std::string, bool> formats{{"text", false}, {"json", true}};
  app.add_option("--trace-format", options.json, "How calls are written: text, or json for one object a line")
      ->type_name("FORMAT")
      ->transform(CLI::CheckedTransformer(formats).description(""));
  const std::map<std::string, TraceTime> times{{"none", TraceTime::none},
                                               {"relative", TraceTime::relative},
                                               {"absolute", TraceTime::absolute},
                                               {"delta", TraceTime::delta}};
  app.add_option("--trace-time", options.time,
                 "When calls began: none, relative, absolute or delta; and how long they took")
      ->type_name("WHEN")
      ->transform(CLI::CheckedTransformer(times).description(""));
  app.add_flag("-c,--summary", options.summary,
               "Count calls, errors and time, children included; print a table at exit");
  app.add_option("-o,--output", options.file, "Write trace and summary to FILE")->type_name("FILE");
  app.add_flag("--output-separately", options.separately, "Write the trace of each process to FILE.PID");
  app.add_option("--inject", options.injections,
                 "Make calls fail, as in read:error=EINTR:when=3+; also retval, short, signal, delay_enter, "
                 "delay_exit")
      ->type_name("SPEC")
      ->allow_extra_args(false);  // else it would take the program
  app.add_flag("--trace-append", options.append)->group("");
  app.add_option("--trace-origin", options.origin)->group("");
  app.add_option("--trace-counts", options.counts)->group("");
}

}  // namespace sudrun::runtime
