import Likeness
import Testing

/// Expects that `body` fails with this case of ``LikenessError``, and that its message says `part`.
func expectFails<Result>(
    _ kind: (String) -> LikenessError, _ part: String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Result
) async {
    do {
        _ = try await body()
        Issue.record("it did not fail", sourceLocation: sourceLocation)
    } catch let error as LikenessError {
        #expect(error == kind(error.message), sourceLocation: sourceLocation)
        #expect(
            part.isEmpty || error.message.contains(part), "\"\(error.message)\" does not say \"\(part)\"",
            sourceLocation: sourceLocation)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}

/// Expects that `body` says that an object is closed.
func expectClosed<Result>(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Result
) async {
    do {
        _ = try await body()
        Issue.record("it did not fail", sourceLocation: sourceLocation)
    } catch {
        #expect(error as? ClosedError == ClosedError(what: what), sourceLocation: sourceLocation)
    }
}

/// Returns when `condition` holds; the test's time limit ends it.
func waitFor(_ condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(5)) }
}
