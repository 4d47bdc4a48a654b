// How the runtime starts programs the guest executes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/identify.hpp"

namespace sudrun::runtime {

struct ExecPlan {
  int error = 0;     ///< errno if the file cannot be executed
  std::string file;  ///< what execve() is given
  std::vector<std::string> argv;
  bool dynamic_native = false;  ///< a dynamic Linux program, which may execute foreign ones in turn
};

/// Decides what to execute for `path`, which the guest has asked for with `argv`: foreign programs go through
/// sudrun again (`options` before them), scripts to their interpreter, everything else to the host's kernel.
/// `native_under_sudrun`: also run Linux programs linked to fixed addresses under sudrun (an inherited
/// seccomp filter would trap their calls). Opens and reads files; allocates.
ExecPlan plan_exec(const std::string& path, const std::vector<std::string>& argv,
                   const std::vector<std::string>& options, std::span<const loader::AbiSignature> known,
                   bool native_under_sudrun);

}  // namespace sudrun::runtime
