// The command `complete`: prints the suggestion at a place, and what it was made of.
import { defaultSettings, type Settings } from "../protocol";
import type { Command } from "./arguments";
import { contextOf, openCursor } from "./cursor";
import { indent, rounded, table, times } from "./format";
import { openCommandEngine } from "./open-engine";
import { print, printJson } from "./terminal";

export async function complete(command: Command, signal: AbortSignal): Promise<void> {
  const { cursor, workspace } = await openCursor(command);
  const { engine, counts, timings } = await openCommandEngine(command, workspace, signal);
  const settings: Settings = { ...defaultSettings, retrieval: command.retrieval };
  const position = { line: cursor.line, character: cursor.character };
  const trace = await engine.completer.complete(
    contextOf(cursor, workspace),
    settings,
    position,
    signal,
    performance.now(),
    { invoked: true },
  );
  signal.throwIfAborted();
  const { model, provider } = engine.backbone;
  print(
    trace.suggestion === ""
      ? `No suggestion: ${trace.suppressed ?? trace.stopReason}`
      : `Suggestion (${trace.generatedTokens} tokens in ${trace.decodeSteps} steps, ${trace.stopReason}):\n${indent(trace.suggestion)}`,
  );
  print(
    trace.fragments.length === 0
      ? `No fragment in the prompt: ${trace.nothingRetrieved ?? "none fits"}`
      : `Fragments in the prompt, in its order:\n${table(trace.fragments)}`,
  );
  if (trace.fetched !== undefined) print(`Fragments were fetched: ${trace.fetched}`);
  if (trace.reused !== undefined)
    print(
      `Fragments of completion ${trace.reused.since} were reused: ${trace.reused.reason} (similarity ${trace.reused.similarity.toFixed(3)})`,
    );
  print(`Times in ms: ${times({ ...trace.timings, ...timings })}`);
  print(
    `Prompt: ${trace.promptTokens} tokens. Model: ${model.name} ${model.version}. Provider: ${provider.name} (${provider.reason})`,
  );
  if (command.json) {
    printJson({
      suggestion: trace.suggestion,
      model: { name: model.name, version: model.version },
      fragments: trace.fragments,
      timings: rounded({ ...trace.timings, ...timings }),
      provider: trace.provider,
      providerReason: provider.reason,
      stopReason: trace.stopReason,
      suppressed: trace.suppressed,
      nothingRetrieved: trace.nothingRetrieved,
      dropped: trace.dropped,
      promptTokens: trace.promptTokens,
      generatedTokens: trace.generatedTokens,
      decodeSteps: trace.decodeSteps,
      reused: trace.reused,
      fetched: trace.fetched,
      workspace,
      index: counts,
      vectorIndex: engine.index.vectorIndex,
    });
  }
  await engine.dispose();
}
