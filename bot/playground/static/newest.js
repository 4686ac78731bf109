/** A queue whose end is served first: pictures are asked for from the oldest message to the newest. */

const AT_ONCE = 6; // as many as a browser sends to one server anyway
const waiting = [];
let running = 0;

/** Run this when there is room. What is asked for last goes first. */
export function newestFirst(start) {
  return new Promise((resolve, reject) => {
    waiting.push({ start, resolve, reject });
    setTimeout(next); // not before everything that is asked for in one go is in the queue
  });
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const { start, resolve, reject } = waiting.pop();
    running += 1;
    start().then(resolve, reject).finally(() => { running -= 1; next(); });
  }
}
