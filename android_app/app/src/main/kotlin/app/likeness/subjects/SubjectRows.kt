package app.likeness.subjects

import android.content.Context
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.ImageView
import android.widget.TextView
import app.likeness.R
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.training.TrainingState
import app.likeness.views.PictureLoader
import app.likeness.views.child
import java.io.File

/** A row a subject: what it looks like, its name, its state. */
class SubjectRows(
    private val context: Context,
    private val loader: PictureLoader,
    private val previewFile: (id: String) -> File,
    private val more: (Subject) -> Unit,
) : BaseAdapter() {
    private var subjects = emptyList<Subject>()
    private var training = TrainingState()

    /** Rows are drawn again only where something they show has changed. */
    fun show(subjects: List<Subject>, training: TrainingState) {
        val changed = subjects != this.subjects || statusKey(training) != statusKey(this.training)
        this.subjects = subjects
        this.training = training
        if (changed) notifyDataSetChanged()
    }

    override fun getCount() = subjects.size

    override fun getItem(position: Int) = subjects[position]

    override fun getItemId(position: Int) = subjects[position].id.hashCode().toLong()

    override fun getView(position: Int, used: View?, parent: ViewGroup): View {
        val row = used ?: LayoutInflater.from(context).inflate(R.layout.row_subject, parent, false)
        val subject = subjects[position]
        val name = subject.name.ifEmpty { context.getString(R.string.subject_damaged_name) }
        row.child<TextView>(R.id.name).text = name
        row.child<TextView>(R.id.status).text = statusOf(subject)
        row.child<View>(R.id.more).setOnClickListener { more(subject) }
        loader.show(previewFile(subject.id), row.child<ImageView>(R.id.preview), subject.state)
        return row
    }

    private fun statusOf(subject: Subject): String = when (subject.state) {
        SubjectState.READY -> context.getString(R.string.subject_ready, subject.words)

        SubjectState.DAMAGED -> context.getString(R.string.subject_damaged)

        SubjectState.LEARNING ->
            if (training.subjectId == subject.id && training.isActive) {
                context.getString(R.string.subject_learning_now, training.permille / 10)
            } else {
                context.getString(R.string.subject_learning)
            }
    }

    private fun statusKey(state: TrainingState) = Triple(state.subjectId, state.isActive, state.permille / 10)
}
