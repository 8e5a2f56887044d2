// The default model's fill-in-the-middle template of training, which its package lacks.
export const fillInMiddle = [
  "<|fim_prefix|>",
  "<|path|>",
  "{path}",
  "\n",
  "{prefix}",
  "<|fim_suffix|>",
  "{suffix}",
  "<|fim_middle|>",
];
