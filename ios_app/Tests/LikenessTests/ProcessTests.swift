#if os(Linux)
import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// What a process leaves behind that is killed, or has no room for files. iOS starts no processes, and a Mac keeps
/// its test programs elsewhere: these run on Linux.
@Suite(.timeLimit(.minutes(5)))
struct ProcessTests {
    let engine: Engine
    let folder: TemporaryFolder

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
    }

    @Test("killed processes leave what another one resumes to the same bytes")
    func killed() async throws {
        let steps = 400
        let journal = folder.file("journal")
        var stepsDone = 0
        for killAt in [50, 150, 250] {
            let child = try start("train", journal.path, String(steps))
            var lines: [String] = []
            for line in child.lines {
                lines.append(line)
                if let step = Int(line), step >= killAt { break }
            }
            kill(child.process.processIdentifier, SIGKILL)
            child.process.waitUntilExit()
            #expect(child.process.terminationReason == .uncaughtSignal, "\(lines)")
            #expect(child.process.terminationStatus == SIGKILL, "\(lines)")
            let checkpoint = try await engine.resumeSession(journal: journal).plan.stepsDone
            // A checkpoint every two steps: the last one before the step that was printed, or a later one.
            #expect((max(stepsDone, killAt - 2)..<steps).contains(checkpoint), "checkpoint \(checkpoint)")
            stepsDone = checkpoint
        }
        let session = try await engine.resumeSession(journal: journal)
        try await session.finish()
        let expected = try await engine.learned(engine.quickSettings { $0.steps = steps })
        #expect(try await session.adapterBytes() == expected)
    }

    @Test("a full disk")
    func fullDisk() throws {
        // A limit on file sizes stands for it: writing then fails as it does there.
        let child = try start("save", folder.file("a").path, prefix: "trap '' XFSZ; ulimit -f 8;")
        let output = Array(child.lines).joined(separator: "\n")
        child.process.waitUntilExit()
        #expect(child.process.terminationStatus == 0, "\(output)")
        #expect(output.contains("diskFull") && output.contains("free some storage"), "\(output)")
        #expect(!folder.file("a").exists)
    }

    private func start(_ arguments: String..., prefix: String = "") throws -> Child {
        let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("ChildSession").path
        return try Child(["/bin/sh", "-c", "\(prefix) exec \"$0\" \"$@\"", program] + arguments)
    }
}

/// A process and the lines it prints.
private struct Child {
    let process = Process()
    let lines: AnySequence<String>

    init(_ command: [String]) throws {
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let input = pipe.fileHandleForReading
        var rest = Data()
        lines = AnySequence {
            AnyIterator {
                while !rest.contains(UInt8(ascii: "\n")) {
                    let more = input.availableData  // waits; empty at the end
                    if more.isEmpty { return nil }
                    rest.append(more)
                }
                let line = rest.prefix { $0 != UInt8(ascii: "\n") }
                rest = Data(rest.dropFirst(line.count + 1))
                return String(decoding: line, as: UTF8.self)
            }
        }
    }
}
#endif
