package app.likeness.views

import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.EditText
import android.widget.SeekBar
import android.widget.TextView

/** Android's own, in a form that every API level's stubs have. */
inline fun <reified V : View> View.child(id: Int): V {
    val found: View = findViewById(id)
    return found as V
}

fun View.show(shown: Boolean) {
    visibility = if (shown) View.VISIBLE else View.GONE
}

/** Hides the view where there is no [text]. A text that stays is not set again: screen readers would read it again. */
fun TextView.showText(text: String?) {
    show(text != null)
    if (text != null && text != this.text.toString()) this.text = text
}

/** The field shows [text], without moving the cursor of whoever types it. */
fun EditText.follow(text: String) {
    if (text != this.text.toString()) {
        setText(text)
        setSelection(this.text.length)
    }
}

fun EditText.onChange(changed: (String) -> Unit) = addTextChangedListener(
    object : TextWatcher {
        override fun beforeTextChanged(text: CharSequence?, start: Int, count: Int, after: Int) = Unit

        override fun onTextChanged(text: CharSequence?, start: Int, before: Int, count: Int) = Unit

        override fun afterTextChanged(text: Editable) = changed(text.toString())
    },
)

/** [moved] hears of a person's moves only. */
fun SeekBar.onMove(moved: (Int) -> Unit) = setOnSeekBarChangeListener(
    object : SeekBar.OnSeekBarChangeListener {
        override fun onProgressChanged(bar: SeekBar, progress: Int, fromUser: Boolean) {
            if (fromUser) moved(progress)
        }

        override fun onStartTrackingTouch(bar: SeekBar) = Unit

        override fun onStopTrackingTouch(bar: SeekBar) = Unit
    },
)
