import Likeness

struct Pacing: Sendable {
    /// How long a slow run works …
    var work = Duration.seconds(20)
    /// … before it rests so long.
    var rest = Duration.seconds(20)
    /// A session that waits longer is closed: it takes memory.
    var longestHold = Duration.seconds(600)
}

/// The pace of a run, and why it is not full speed.
struct PaceNow: Equatable {
    let pace: Pace
    let cause: Cause?
}

/// Lets a session run, rest in turns, or wait, as the person, painting and the phone's conditions ask for.
@MainActor
final class PaceKeeper {
    private struct Run {
        let session: any Personalization
        let onPace: (PaceNow) -> Void
        let onLongHold: (Cause) -> Void
    }

    private let pacing: Pacing
    private var run: Run?
    private var now: PaceNow?
    private var keeping: Task<Void, Never>?
    private var paintings = 0

    /// The person wants it to wait.
    var isHeld = false {
        didSet { reconsider() }
    }

    var conditions = Conditions() {
        didSet { reconsider() }
    }

    init(_ pacing: Pacing) {
        self.pacing = pacing
    }

    /// Training waits while `body` paints: both at once would take the memory of both.
    func whilePainting<Value>(_ body: @MainActor () async throws -> Value) async rethrows -> Value {
        paintings += 1
        reconsider()
        defer {
            paintings -= 1
            reconsider()
        }
        return try await body()
    }

    /// Until ``end()``. `onPace` hears of every change, `onLongHold` of a wait that has lasted too long.
    func begin(
        _ session: any Personalization, onPace: @escaping (PaceNow) -> Void, onLongHold: @escaping (Cause) -> Void
    ) {
        run = Run(session: session, onPace: onPace, onLongHold: onLongHold)
        now = nil
        reconsider()
    }

    func end() {
        keeping?.cancel()
        keeping = nil
        run = nil
    }

    private var wanted: PaceNow {
        if isHeld { return PaceNow(pace: .pause, cause: .person) }
        if paintings > 0 { return PaceNow(pace: .pause, cause: .painting) }
        let decision = decide(conditions)
        return PaceNow(pace: decision.pace, cause: decision.reason.map(Cause.init))
    }

    private func reconsider() {
        guard let run, wanted != now else { return }
        let next = wanted
        now = next
        keeping?.cancel()
        run.onPace(next)
        switch next.pace {
        case .run: try? run.session.unpause()
        case .slow: keeping = Task { await takeTurns(run.session) }
        case .pause:
            try? run.session.pause()
            keeping = Task { await hold(run, next.cause ?? .system) }
        }
    }

    private func hold(_ run: Run, _ cause: Cause) async {
        try? await Task.sleep(for: pacing.longestHold)
        if !Task.isCancelled { run.onLongHold(cause) }
    }

    private func takeTurns(_ session: any Personalization) async {
        while !Task.isCancelled {
            try? session.unpause()
            try? await Task.sleep(for: pacing.work)
            if Task.isCancelled { return }
            try? session.pause()
            try? await Task.sleep(for: pacing.rest)
        }
    }
}
