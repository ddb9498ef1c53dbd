package app.likeness.navigation

import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.Toast
import app.likeness.R
import app.likeness.views.child
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope

/** What a screen has around it. [scope] ends when the screen's views go. */
class Host(
    val activity: Activity,
    val scope: CoroutineScope,
    val io: CoroutineDispatcher,
    val go: (Route) -> Unit,
    val back: () -> Unit,
)

/** The views of one route. They show a view model's state and pass on what a person does; they hold nothing. */
abstract class Screen(protected val host: Host, layout: Int, parent: ViewGroup) {
    val view: View = LayoutInflater.from(host.activity).inflate(layout, parent, false)

    /** What a screen reader announces when the screen comes. */
    abstract val title: String

    /** The person chose [documents], none where they did not, after [ask] with [request]. */
    open fun onChosen(request: Int, documents: List<String>) = Unit

    protected fun ask(intent: Intent, request: Int) = attempt { host.activity.startActivityForResult(intent, request) }

    protected fun attempt(start: () -> Unit) = try {
        start()
    } catch (_: ActivityNotFoundException) {
        Toast.makeText(host.activity, R.string.no_app, Toast.LENGTH_LONG).show()
    }

    protected inline fun <reified V : View> find(id: Int): V = view.child(id)

    protected fun string(id: Int, vararg values: Any): String = host.activity.getString(id, *values)

    protected fun plural(id: Int, count: Int): String = host.activity.resources.getQuantityString(id, count, count)

    protected fun onClick(id: Int, clicked: () -> Unit) = find<View>(id).setOnClickListener { clicked() }

    /** Asks before something that cannot be taken back. */
    protected fun confirm(title: String, text: String?, action: String, confirmed: () -> Unit) {
        AlertDialog.Builder(host.activity)
            .setTitle(title)
            .setMessage(text)
            .setPositiveButton(action) { _, _ -> confirmed() }
            .setNegativeButton(R.string.keep_it, null)
            .show()
    }
}
