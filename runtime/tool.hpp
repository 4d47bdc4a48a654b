// Commands that run no program: `sudrun inspect`, `sudrun doctor`, `sudrun table`. They are an executable of
// their own.
#pragma once

#include <optional>

namespace sudrun::runtime {

/// If the first argument names a tool, becomes that tool. Returns the exit status if that fails, and nothing
/// if none is named. (A program of such a name is given with a path, or after `--`.)
std::optional<int> run_tool(int argc, char** argv);

}  // namespace sudrun::runtime
