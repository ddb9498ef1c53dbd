#if canImport(SwiftUI)
import SwiftUI

/// A subject: what it looks like, its name, its state; more in its menu.
struct SubjectRow: View {
    let subject: Subject
    let training: TrainingState
    let preview: URL
    let open: () -> Void
    let export: () -> Void
    let delete: () -> Void

    @ScaledMetric private var side: CGFloat = 56

    var body: some View {
        HStack {
            Button(action: open) {
                HStack {
                    FilePicture(file: preview, side: side, version: subject.state == .ready ? 1 : 0)
                        .frame(width: side, height: side)
                        .clipShape(.rect(cornerRadius: 8))
                        .accessibilityHidden(true)
                    VStack(alignment: .leading) {
                        Text(subject.name.isEmpty ? Words.damagedName : subject.name).font(.headline)
                        Text(status).font(.subheadline).foregroundStyle(.secondary)
                    }
                    Spacer()
                }
                .contentShape(.rect)
            }
            .buttonStyle(.plain)
            .accessibilityElement(children: .combine)
            Menu(Words.more(subject.name), systemImage: "ellipsis.circle") { actions }
                .labelStyle(.iconOnly)
        }
        .swipeActions {
            Button(Words.delete, systemImage: "trash", role: .destructive, action: delete)
        }
    }

    @ViewBuilder
    private var actions: some View {
        switch subject.state {
        case .ready:
            Button(Words.paint, systemImage: "paintbrush", action: open)
            Button(Words.exportAdapter, systemImage: "square.and.arrow.up", action: export)
        case .learning: Button(Words.showProgress, systemImage: "chart.bar", action: open)
        case .damaged: EmptyView()
        }
        Button(Words.delete, systemImage: "trash", role: .destructive, action: delete)
    }

    private var status: String {
        switch subject.state {
        case .ready: Words.ready(subject.words)
        case .damaged: Words.damaged
        case .learning:
            training.subjectID == subject.id && training.isActive
                ? Words.learningNow(percent: Int(100 * training.fraction)) : Words.notLearnedYet
        }
    }
}
#endif
