// Time that processors spent on this process, in milliseconds: unlike time on the clock, it does not grow while other programs run.
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
