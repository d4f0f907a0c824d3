/** Our own small icons: strokes on a 16 × 16 grid, drawn with the text's colour. */
export const icons = {
  now: "M2 8h3l2-5 3 10 2-5h2",
  rooms: "M2.5 6.5 8 2.5l5.5 4v7h-11zM6.5 13.5v-4h3v4",
  traffic: "M4 2.5v11M4 13.5 2 11.5M4 13.5l2-2M12 13.5v-11M12 2.5l-2 2M12 2.5l2 2",
  keys: "M7.5 8.5a3 3 0 1 1 0-1h6.5v3h-2v-2",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  check: "M3 8.5 6.5 12 13 4.5",
  warning: "M8 2 14.5 13.5h-13zM8 6.5v3M8 11.6v.1",
  deny: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM4.8 8h6.4",
  redact: "M2 5.5h12v5H2zM4.5 8h7",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 7.5v3.5M8 5v.1",
  dot: "M8 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
  plus: "M8 3v10M3 8h10",
  remove: "M4 4l8 8M12 4l-8 8",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.5v9l7-4.5z",
  back: "M9.5 3.5 5 8l4.5 4.5",
  chevron: "M6 3.5 10.5 8 6 12.5",
  shield: "M8 1.8 13 3.5v4c0 3.2-2.1 5.6-5 6.7-2.9-1.1-5-3.5-5-6.7v-4z",
  leave: "M9.5 2.5h-7v11h7M6.5 8h7.5M11.5 5.5 14 8l-2.5 2.5",
} as const;

export type IconName = keyof typeof icons;
