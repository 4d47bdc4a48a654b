// How the runtime starts programs the guest executes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/identify.hpp"
#include "runtime/sysroot.hpp"

namespace sudrun::runtime {

struct ExecPolicy;

/// What the guest asks for.
struct ExecInput {
  std::string name;  ///< as the guest says it; a script's interpreter is given this name
  std::string file;  ///< where it is on the host
  std::vector<std::string> argv;
};

/// What decides how it is carried out.
struct ExecContext {
  const ExecPolicy& policy;
  std::span<const loader::AbiSignature> known;
  const Sysroot* sysroot;    ///< null: the guest's paths are the host's
  bool native_under_sudrun;  ///< also run Linux programs linked to fixed addresses under sudrun (an inherited
                             ///< seccomp filter would trap their calls)
};

struct ExecPlan {
  int error = 0;        ///< errno if the file cannot be executed
  std::string file;     ///< what execve() is given
  bool sudrun = false;  ///< it is sudrun; `options` more of them may stand at argv.begin() + options_at
  std::size_t options_at = 0;
  std::vector<std::string> argv;
  bool dynamic_native = false;  ///< a dynamic Linux program, which may execute foreign ones in turn
};

/// Decides what to execute: foreign programs go through sudrun again, scripts to their interpreter,
/// everything else to the host's kernel. Opens and reads files; allocates.
ExecPlan plan_exec(const ExecInput& input, const ExecContext& context);

}  // namespace sudrun::runtime
