package conformance;

/** One case: its number and behaviour in words, and what shows it. */
record Case(String name, Body run) {
  /** May throw what it likes. */
  interface Body {
    void run() throws Exception;
  }
}
