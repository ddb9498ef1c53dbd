/// What this phone showed in earlier runs; what a plan's estimate rests on.
struct Measured: Sendable, Equatable, Codable {
    /// Of training; nil before the first run.
    var secondsPerStep: Double?
    /// Of the battery while training unplugged; nil before a run was long enough to tell.
    var percentPerHour: Double?
}

/// Keeps ``Measured``. Functions block.
struct Measurements: Sendable {
    let layout: StorageLayout
    let disk: Disk

    /// A file that cannot be read is as good as none: the next run makes it anew.
    func read() -> Measured {
        (try? NoteFile.read(Measured.self, from: layout.measurements)) ?? Measured()
    }

    /// Keeps what is given; what is nil stays as it was. Throws ``StorageError``.
    func record(_ new: Measured) throws {
        let old = read()
        let both = Measured(
            secondsPerStep: new.secondsPerStep ?? old.secondsPerStep,
            percentPerHour: new.percentPerHour ?? old.percentPerHour)
        try NoteFile.write(both, to: layout.measurements, on: disk)
    }
}
