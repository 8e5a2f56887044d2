// Points in time in words, in local time.

const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** "14:35"; with its day where that is not today: "tomorrow, 06:00", "Friday, 06:00". Both in milliseconds since 1970. */
export function clockTime(at: number, now: number): string {
  const time = new Date(at);
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}`;
  const today = new Date(now);
  if (time.toDateString() === today.toDateString()) return clock;
  const tomorrow = new Date(today.getFullYear(), today.getMonth(), today.getDate() + 1);
  return `${time.toDateString() === tomorrow.toDateString() ? "tomorrow" : (days[time.getDay()] ?? "")}, ${clock}`;
}

/** Six in the morning of the next day, in milliseconds since 1970. */
export function tomorrowMorning(now: number): number {
  const today = new Date(now);
  return new Date(today.getFullYear(), today.getMonth(), today.getDate() + 1, 6).getTime();
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
