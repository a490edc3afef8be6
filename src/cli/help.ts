import { nearest } from "../config/suggest.ts";
import type { Commands } from "./arguments.ts";
import { type Arguments, type Command, UsageError } from "./command.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { type Host, print, textStyleOf } from "./host.ts";
import { commandHelp, commandUsage, topicList } from "./usage.ts";

/** `help`, which knows the other commands. The pages are only loaded when somebody wants one. */
export function helpCommand(others: Commands): Command {
  const command: Command = {
    summary: "list the topics of the help, or show one, as in: collector help kafka",
    usage: "[TOPIC | COMMAND]",
    doc: "Shows a page of the help, or how a command is written, or both. Without a word it lists what there is.",
    flags: [],
    maxPositionals: 1,
    run: (args, host) => show({ ...others, help: command }, args, host),
  };
  return command;
}

async function show(commands: Commands, args: Arguments, host: Host): Promise<ExitCode> {
  const [{ PAGES, summaryOf }, { terminalText }] = await Promise.all([
    import("../help/pages.ts"),
    import("../help/terminal_text.ts"),
  ]);
  const style = textStyleOf(host);
  const [topic] = args.positionals;
  if (topic === undefined) {
    const summaries = Object.entries(PAGES).map(([name, page]) => [name, summaryOf(page)] as const);
    await print(host, topicList(summaries, commands, style.columns));
    return EXIT.done;
  }
  const command = Object.hasOwn(commands, topic) ? commands[topic] : undefined;
  const page = Object.hasOwn(PAGES, topic) ? terminalText(PAGES[topic], style) : undefined;
  if (page === undefined) {
    if (command === undefined) throw unknownTopic(topic, [...Object.keys(PAGES), ...Object.keys(commands)]);
    await print(host, commandHelp(topic, command, style.columns));
  } else {
    await print(host, command === undefined ? page : `${commandUsage(topic, command, style.columns)}\n${page}`);
  }
  return EXIT.done;
}

function unknownTopic(word: string, topics: readonly string[]): UsageError {
  const meant = nearest(word, topics, Math.max(1, Math.floor(word.length / 2)));
  const hint = meant === undefined ? "collector help lists the topics" : `did you mean ${meant}?`;
  return new UsageError(`there is no help on "${word}"; ${hint}`);
}
