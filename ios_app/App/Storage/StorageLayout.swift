import Foundation

/// Where everything lies in the app's private folder. Nothing is written anywhere else.
///
///     draft/                          photos and names of a subject that is not taught yet
///     subjects/<id>/subject.json      name, class, words, state
///     subjects/<id>/photos/           until they are encoded; deleted then
///     subjects/<id>/journal/          the core's, while it learns
///     subjects/<id>/resume.json       whether it goes on by itself, while it learns
///     subjects/<id>/adapter.safetensors, preview.png
///     merged/<id>-<id>.safetensors    two subjects' adapters in one
///     pictures/<id>.png, <id>.json
///     incoming/                       files on their way in, unchecked
///     outgoing/<id>/                  files that are being shared, under a name for others
///     trash/                          what is being deleted
///     settings.json, measurements.json, checked-model.json
struct StorageLayout: Sendable {
    let root: URL

    var draft: URL { root.appending(path: "draft") }
    var subjects: URL { root.appending(path: "subjects") }
    var merged: URL { root.appending(path: "merged") }
    var pictures: URL { root.appending(path: "pictures") }
    var incoming: URL { root.appending(path: "incoming") }
    var outgoing: URL { root.appending(path: "outgoing") }
    var trash: URL { root.appending(path: "trash") }
    var settings: URL { root.appending(path: "settings.json") }
    var measurements: URL { root.appending(path: "measurements.json") }
    var checkedModel: URL { root.appending(path: "checked-model.json") }

    func subject(_ id: ItemID) -> SubjectFiles {
        SubjectFiles(folder: subjects.appending(path: id.text))
    }

    func picture(_ id: ItemID) -> URL { pictures.appending(path: id.text + ".png") }

    func pictureNote(_ id: ItemID) -> URL { pictures.appending(path: id.text + ".json") }

    func outgoing(_ id: ItemID) -> URL { outgoing.appending(path: id.text) }
}

/// A subject's files; `folder` is its own.
struct SubjectFiles: Sendable {
    let folder: URL

    var note: URL { folder.appending(path: "subject.json") }
    var photos: URL { folder.appending(path: "photos") }
    var journal: URL { folder.appending(path: "journal") }
    var resume: URL { folder.appending(path: "resume.json") }
    var adapter: URL { folder.appending(path: "adapter.safetensors") }
    var preview: URL { folder.appending(path: "preview.png") }
}
