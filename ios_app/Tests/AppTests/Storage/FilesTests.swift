import Foundation
import Likeness
import Testing

@testable import App

/// The formats: notes, photos, PNG.
@MainActor
struct FilesTests {
    private let world = World()
    private var file: URL { world.folder.root.appending(path: "a.file") }
    private let picture: Picture

    init() throws {
        picture = try Picture(width: 37, height: 21, rgb: (0..<3 * 37 * 21).map { UInt8(truncatingIfNeeded: $0 * $0) })
    }

    @Test func pngComesBack() throws {
        #expect(try PngReader.read(Png.encode(picture)) == picture)
    }

    /// Made by Pillow, compressed with zlib's level 0 and not filtered: the same bytes, from another writer.
    @Test func pngIsAsAnotherWriterHasIt() throws {
        let two = try Picture(width: 2, height: 1, rgb: [1, 2, 3, 250, 251, 252])
        let known = """
            iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAEklEQVR4AQEHAPj/AAECA/r7/AYDAvgMgsBJAAAAAElFTkSuQmCC
            """
        #expect(Png.encode(two).base64EncodedString() == known)
    }

    /// More than one stored block.
    @Test func aLargePngIsReadToo() throws {
        let large = plainPicture(3, side: 200)
        #expect(try PngReader.read(Png.encode(large)) == large)
    }

    @Test func aPngTellsNothingElse() throws {
        #expect(try PngReader.chunks(Png.encode(picture)).map(\.type) == ["IHDR", "IDAT", "IEND"])
    }

    @Test func photosComeBack() throws {
        try PhotoFile.write(picture, to: file, on: world.graph.disk)
        #expect(try PhotoFile.read(file) == picture)
    }

    /// Bytes of the picture that look like white space are no part of the header.
    @Test func photosThatBeginWithWhiteSpaceComeBack() throws {
        let blank = try Picture(width: 1, height: 2, rgb: Array("\n \n 6\n".utf8))
        try PhotoFile.write(blank, to: file, on: world.graph.disk)
        #expect(try PhotoFile.read(file) == blank)
    }

    @Test func damagedPhotosAreRefused() throws {
        try PhotoFile.write(picture, to: file, on: world.graph.disk)
        let whole = try Data(contentsOf: file)
        let damaged = [
            whole.dropLast(), Data("P6\n99999 99999\n255\n".utf8), Data("P6\n-1 5\n255\n".utf8),
            Data("P5\n1 1\n255\nabc".utf8), Data("P6\n1 1\n65535\nabcdef".utf8), Data("P6\n1 1".utf8), Data(),
        ]
        for bytes in damaged {
            try bytes.write(to: file)
            #expect(throws: StorageError.self) { try PhotoFile.read(file) }
        }
    }

    @Test func notesKeepAnyText() throws {
        let note = ["name": "Łucja 🐈\n= #! \\u0041\"", "empty": "", "class": " spaced "]
        try NoteFile.write(note, to: file, on: world.graph.disk)
        #expect(try NoteFile.read([String: String].self, from: file) == note)
    }

    @Test func notesKeepEverySeed() throws {
        try NoteFile.write([UInt64.max, 1 << 53 + 1], to: file, on: world.graph.disk)
        #expect(try NoteFile.read([UInt64].self, from: file) == [UInt64.max, 1 << 53 + 1])
    }

    @Test func damagedNotesAreAnError() throws {
        for bytes in [Data("{".utf8), Data("[1]".utf8), Data(repeating: 0x20, count: 300 * 1024), Data()] {
            try bytes.write(to: file)
            #expect(throws: StorageError.failed("a.file is damaged.")) {
                try NoteFile.read([String: String].self, from: file)
            }
        }
        #expect(throws: StorageError.self) {
            try NoteFile.read([String: String].self, from: world.folder.root.appending(path: "missing"))
        }
    }

    @Test func measurementsKeepWhatIsNotMeasuredAnew() throws {
        let measurements = world.graph.measurements
        #expect(measurements.read() == Measured())
        try measurements.record(Measured(secondsPerStep: 2.5))
        try measurements.record(Measured(percentPerHour: 30))
        #expect(measurements.read() == Measured(secondsPerStep: 2.5, percentPerHour: 30))
        try Data("x".utf8).write(to: world.layout.measurements)
        #expect(measurements.read() == Measured())
    }

    @Test func aNumberThatIsNoneIsNotWritten() {
        #expect(throws: StorageError.self) {
            try world.graph.measurements.record(Measured(secondsPerStep: .infinity))
        }
    }
}
