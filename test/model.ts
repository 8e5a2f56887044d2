// Where the tests find the model package: the one that ships, unless SELFRACG_MODEL names another folder.
import { resolve } from "node:path";

/** Folder of the model package under test. */
export const modelPath: string = process.env["SELFRACG_MODEL"] ?? resolve(import.meta.dirname, "../models/default");
