import type { Commands } from "./arguments.ts";
import { checkCommand } from "./check.ts";
import { helpCommand } from "./help.ts";
import { redriveCommand } from "./redrive.ts";
import { replayCommand } from "./replay.ts";
import { runCommand } from "./run.ts";
import { verifyCommand } from "./verify.ts";

const WORKING: Commands = {
  run: runCommand,
  check: checkCommand,
  replay: replayCommand,
  redrive: redriveCommand,
  verify: verifyCommand,
};

/** Every command, by the word that names it: one file and one line each. */
export const COMMANDS: Commands = { ...WORKING, help: helpCommand(WORKING) };
