// Work of the model that gives way when somebody types: the inspector's.
import { LSPErrorCodes, ResponseError } from "vscode-languageserver/node";

export class InterruptibleWork {
  private readonly running = new Set<AbortController>();

  /**
   * Runs `work` until it is done, `signal` is aborted or {@link interrupt} is called.
   * @throws ResponseError `ServerCancelled` where it was interrupted
   */
  async run<Result>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const controller = new AbortController();
    this.running.add(controller);
    try {
      return await work(AbortSignal.any([signal, controller.signal]));
    } catch (error) {
      if (controller.signal.aborted && !signal.aborted)
        throw new ResponseError(LSPErrorCodes.ServerCancelled, "Typing goes first. Ask again.");
      throw error;
    } finally {
      this.running.delete(controller);
    }
  }

  /** Ends all of it. */
  interrupt(): void {
    for (const controller of this.running) controller.abort();
  }
}
