// A process of a test, which is killed or has no room for files:
//
//   ChildSession train JOURNAL STEPS    personalizes, goes on with the journal where there is one; prints the steps it
//                                       has taken, a line each
//   ChildSession save FILE              saves an adapter and prints how that fails

import Foundation
import Likeness
import LikenessTestSupport

func train(journal: URL, steps: Int) async throws {
    let engine = try await World.open(World.tinyBundle)
    let session =
        if Session.canResume(journal) {
            try await engine.resumeSession(journal: journal)
        } else {
            try await engine.newSession(journal: journal, settings: engine.quickSettings { $0.steps = steps })
        }
    for try await event in session.run() {
        if let training = event.training { say("\(training.step)") }
    }
}

func save(_ file: URL) async throws {
    let session = try await World.open(World.tinyBundle).newSession()
    try await session.finish()
    do {
        try await session.saveAdapter(file)
    } catch {
        say("\(error)")
    }
}

/// Unlike `print`, at once also into a pipe.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

let arguments = CommandLine.arguments.dropFirst()
switch (arguments.first, arguments.count) {
case ("train", 3): try await train(journal: URL(fileURLWithPath: arguments[2]), steps: Int(arguments[3]) ?? 0)
case ("save", 2): try await save(URL(fileURLWithPath: arguments[2]))
default: exit(2)
}
