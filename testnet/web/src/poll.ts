// Asking again and again: the next question comes `every` ms after the last answer, and none in a hidden tab. Returns what ends it; then
// neither is called any more.
export function poll<T>(every: number, ask: () => Promise<T>, take: (value: T) => void, refused: (error: unknown) => void): () => void {
  let over = false;
  let timer = 0;
  const once = async () => {
    if (!document.hidden) {
      try {
        const value = await ask();
        if (!over) take(value);
      } catch (error) {
        if (!over) refused(error);
      }
    }
    if (!over) timer = window.setTimeout(once, every);
  };
  void once();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
