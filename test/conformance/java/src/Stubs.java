package conformance;
import java.util.List;
final class Rows { static List<Case> cases(Google google) { return List.of(); } }
final class Values { static List<Case> cases(Google google) { return List.of(); } }
final class Commits { static List<Case> cases(Google google) { return List.of(); } }
final class Schemas { static List<Case> cases(Google google) { return List.of(); } }
final class Faults { static List<Case> cases(Google google, Google strict) { return List.of(); } }
final class Rest { static List<Case> cases(Google google) { return List.of(); } }
